//! The lines between crates: who may depend on what, who may be unsafe, who may read a clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Input and time go in, outputs come out.
const PURE: [&str; 14] = [
    "partyline-model",
    "partyline-directory",
    "partyline-sip",
    "partyline-srtp",
    "partyline-stir",
    "partyline-media",
    "partyline-capture",
    "partyline-conference",
    "partyline-control",
    "partyline-live",
    "partyline-dtmf",
    "partyline-cdr-record",
    "partyline-billing",
    "partyline-dialplan",
];
/// What opens sockets and files, starts threads, reads clocks or asks the system for randomness.
const IMPURE: [&str; 23] = [
    "async-std",
    "chrono",
    "crossbeam-channel",
    "fastrand",
    "futures-executor",
    "getrandom",
    "hyper",
    "mio",
    "openssl",
    "quinn-udp",
    "rand",
    "rand_os",
    "rayon",
    "ring",
    "rusqlite",
    "rustix",
    "rustls",
    "signal-hook",
    "smol",
    "socket2",
    "sqlx",
    "time",
    "tokio",
];
/// How many crates from outside a pure crate may use. `sip` has the most: three of its seven are the
/// hash functions of digest authentication.
const MOST_EXTERNAL: usize = 8;
/// Which crates of the workspace each may use: the arrows of ARCHITECTURE.md.
const MAY_USE: [(&str, &[&str]); 24] = [
    ("partyline-model", &[]),
    ("partyline-dtmf", &[]),
    ("partyline-live", &[]),
    (
        "partyline-capture",
        &["partyline-model", "partyline-dtmf", "partyline-media", "partyline-sip"],
    ),
    (
        "partyline-conference",
        &[
            "partyline-model",
            "partyline-secret",
            "partyline-directory",
            "partyline-dialplan",
            "partyline-cdr-record",
        ],
    ),
    (
        "partyline-control",
        &[
            "partyline-model",
            "partyline-directory",
            "partyline-dialplan",
            "partyline-cdr-record",
            "partyline-conference",
            "partyline-media",
            "partyline-sip",
            "partyline-stir",
        ],
    ),
    ("partyline-billing", &["partyline-model", "partyline-cdr-record"]),
    ("partyline-export", &["partyline-model", "partyline-billing"]),
    ("partyline-cdr-store", &["partyline-model", "partyline-directory", "partyline-cdr-record"]),
    (
        "partyline-operations",
        &[
            "partyline-model",
            "partyline-directory",
            "partyline-dialplan",
            "partyline-cdr-store",
            "partyline-billing",
        ],
    ),
    (
        "partyline",
        &[
            "partyline-model",
            "partyline-secret",
            "partyline-directory",
            "partyline-dialplan",
            "partyline-cdr-record",
            "partyline-cdr-store",
            "partyline-conference",
            "partyline-control",
            "partyline-live",
            "partyline-operations",
            "partyline-media",
            "partyline-media-io",
            "partyline-dtls",
            "partyline-capture",
            "partyline-sip",
            "partyline-stir",
            "partyline-billing",
            "partyline-export",
        ],
    ),
    (
        "bridge-tests",
        &[
            "partyline-model",
            "partyline-secret",
            "partyline-directory",
            "partyline-dialplan",
            "partyline-cdr-record",
            "partyline-conference",
            "partyline-control",
            "partyline-media",
            "partyline-dtls",
            "partyline-sip",
            "partyline-stir",
            "partyline-dtmf",
            "partyline-phones",
        ],
    ),
    (
        "partyline-fuzzing",
        &[
            "partyline-model",
            "partyline-secret",
            "partyline-directory",
            "partyline-dialplan",
            "partyline-cdr-record",
            "partyline-cdr-store",
            "partyline-conference",
            "partyline-media",
            "partyline-sip",
            "partyline-stir",
            "partyline-dtmf",
            "partyline-billing",
            "partyline-capture",
        ],
    ),
    ("partyline-cdr-record", &["partyline-model"]),
    ("partyline-dialplan", &["partyline-model"]),
    ("partyline-directory", &["partyline-model", "partyline-secret"]),
    ("partyline-secret", &["partyline-model"]),
    ("partyline-sip", &["partyline-model"]),
    ("partyline-srtp", &["partyline-model"]),
    ("partyline-stir", &["partyline-model"]),
    ("partyline-dtls", &["partyline-model"]),
    ("partyline-media", &["partyline-model", "partyline-srtp", "partyline-dtmf"]),
    ("partyline-media-io", &["partyline-model", "partyline-media"]),
    ("partyline-phones", &[]),
];
/// Words that only a signalling or media protocol has, as they are written there.
const PROTOCOL_WORDS: [&str; 13] = [
    "ACK", "BYE", "CANCEL", "INFO", "INVITE", "OPTIONS", "PRACK", "REFER", "REGISTER", "RFC",
    "RTCP", "RTP", "SDP",
];
/// Where `unsafe` may be: locked memory, and the vectors of the DTMF detector.
const MAY_BE_UNSAFE: [&str; 2] = ["bridge/secret/", "dtmf/src/simd/"];
/// Whose clocks they are: the media loop's, the journal's, the phones' on real sockets; and the
/// origin of those times that a library wants as instants.
const MAY_READ_CLOCKS: [&str; 6] = [
    "bridge/dtls/src/clock.rs",
    "bridge/media-io/src/clock.rs",
    "bridge/server/src/clock.rs",
    "cdr/store/src/journal/thread.rs",
    "tests/phones/src/driver/clock.rs",
    "tests/phones/src/media/dtls.rs",
];

/// The dependency graph as cargo resolved it.
struct Graph {
    names: BTreeMap<String, String>,
    /// Normal dependencies by package id.
    uses: BTreeMap<String, Vec<String>>,
    members: BTreeSet<String>,
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("tests/ lies in the workspace").to_path_buf()
}

/// The platform that this runs on: no other's packages need be there.
fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}

impl Graph {
    fn read() -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--offline", "--filter-platform"])
            .arg(host())
            .current_dir(root())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let packages = list(&metadata["packages"]).into_iter();
        let names = packages.map(|p| (text(&p["id"]), text(&p["name"]))).collect();
        let is_normal =
            |dep: &Value| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
        let nodes = list(&metadata["resolve"]["nodes"]).into_iter();
        let uses = nodes.map(|node| {
            let deps = list(&node["deps"]).into_iter().filter(is_normal);
            (text(&node["id"]), deps.map(|dep| text(&dep["pkg"])).collect())
        });
        let members = list(&metadata["workspace_members"]).iter().map(text).collect();
        Self { names, uses: uses.collect(), members }
    }

    fn id(&self, name: &str) -> &str {
        let found = self.members.iter().find(|id| self.names[*id] == name);
        found.unwrap_or_else(|| panic!("{name} is a crate of the workspace"))
    }

    fn direct(&self, id: &str) -> Vec<&str> {
        self.uses[id].iter().map(String::as_str).collect()
    }

    /// Everything below `id`, each with a way to it.
    fn closure(&self, id: &str) -> BTreeMap<String, String> {
        let mut ways = BTreeMap::from([(id.to_owned(), self.names[id].clone())]);
        let mut left = vec![id.to_owned()];
        while let Some(next) = left.pop() {
            for dep in &self.uses[&next] {
                if !ways.contains_key(dep) {
                    ways.insert(dep.clone(), format!("{} > {}", ways[&next], self.names[dep]));
                    left.push(dep.clone());
                }
            }
        }
        ways
    }
}

/// Everything that `name` needs when it is built alone, each with a way to it. Built with others,
/// their features would count as its own.
fn built_with(name: &str) -> BTreeMap<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "depth", "--package", name])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut way: Vec<&str> = Vec::new();
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let digits = line.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
        let depth: usize = line[..digits].parse().expect("each line begins with its depth");
        let package = line[digits..].split(' ').next().unwrap_or_default();
        way.truncate(depth);
        way.push(package);
        found.insert(package.to_owned(), way.join(" > "));
    }
    found
}

#[test]
fn pure_crates_reach_no_clock_socket_thread_or_system_randomness() {
    for name in PURE {
        let found = built_with(name);
        assert!(found.contains_key(name), "{name} is built with itself");
        for (reached, way) in found {
            assert!(!IMPURE.contains(&reached.as_str()), "{way}");
        }
    }
    // The list means something: what is impure is found where it may be.
    let server = built_with("partyline");
    for shell in ["tokio", "mio", "getrandom"] {
        assert!(server.contains_key(shell), "{shell}");
    }
}

#[test]
fn pure_crates_have_few_dependencies_from_outside() {
    let graph = Graph::read();
    for name in PURE {
        let direct = graph.direct(graph.id(name));
        let outside: Vec<&str> = direct
            .into_iter()
            .filter(|id| !graph.members.contains(*id))
            .map(|id| graph.names[id].as_str())
            .collect();
        assert!(outside.len() <= MOST_EXTERNAL, "{name}: {outside:?}");
    }
}

#[test]
fn arrows_between_crates_never_go_up() {
    let graph = Graph::read();
    let listed: BTreeSet<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    let there: BTreeSet<&str> = graph.members.iter().map(|id| graph.names[id].as_str()).collect();
    assert_eq!(listed, there, "every crate of the workspace has its line in MAY_USE");
    for (name, allowed) in MAY_USE {
        for id in graph.direct(graph.id(name)) {
            let used = graph.names[id].as_str();
            let own = graph.members.contains(id);
            assert!(!own || allowed.contains(&used), "{name} uses {used}");
        }
    }
    // Phones judge the bridge: nothing of it is in them, and they are in nothing of it.
    for id in &graph.members {
        let name = &graph.names[id];
        if name != "bridge-tests" {
            let closure = graph.closure(id);
            let phones = closure.keys().any(|id| graph.names[id] == "partyline-phones");
            assert!(!phones || name == "partyline-phones", "{name} uses the test phones");
        }
    }
}

/// Every Rust file of the workspace, by its path from the root.
fn sources() -> Vec<(String, String)> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder").filter_map(Result::ok) {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    collect(&root, &mut found);
    found.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&root).expect("below the root").display().to_string();
        (name, fs::read_to_string(&path).expect("UTF-8"))
    };
    found.into_iter().map(read).collect()
}

/// The code of a line, without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// The lines of a file that speak of signalling or of media on the wire, in code or in comments.
/// A kind of dial-in number that is called SIP is none of it.
fn protocol_lines(text: &str) -> Vec<&str> {
    let speaks = |line: &&str| {
        let line = line.replace("AccessKind::Sip", "");
        // `sip_status`, `SipStatus` and `SIP status` are the same words.
        let spaced: String = line
            .chars()
            .zip(line.chars().skip(1).chain([' ']))
            .flat_map(|(c, next)| {
                let word_ends = c.is_ascii_lowercase() && next.is_ascii_uppercase();
                [Some(c), word_ends.then_some(' ')].into_iter().flatten()
            })
            .collect();
        let mut words = spaced.split(|c: char| !c.is_ascii_alphanumeric());
        words.any(|word| PROTOCOL_WORDS.contains(&word) || word.eq_ignore_ascii_case("sip"))
            || line.contains("StatusCode::new(")
    };
    text.lines().filter(speaks).collect()
}

#[test]
fn the_conference_core_speaks_no_protocol() {
    let all = sources();
    let core = all.iter().filter(|(path, _)| path.starts_with("bridge/conference/src/"));
    for (path, text) in core.clone() {
        // The one sentence that says so names what the core does not know.
        let text = text.replace("does not know SIP, RTP, codecs", "");
        assert_eq!(protocol_lines(&text), Vec::<&str>::new(), "{path}");
    }
    assert!(core.count() > 20, "the conference core is where it was");
    // The check means something: each of these once stood there.
    for line in [
        "pub sip_status: Option<u16>,",
        "const fn of(status: SipStatus) -> Self {",
        "let q850 = q850.or(Some(q850_from_sip(status)));",
        "/// The ACK to our 200 OK came.",
        "/// The cause of the Reason header (RFC 3326).",
        "code: StatusCode::new(503),",
    ] {
        assert_eq!(protocol_lines(line), [line]);
    }
    assert!(protocol_lines("AccessKind::Sip => AccessKind::Sip, // gossip").is_empty());
}

#[test]
fn unsafe_is_only_where_it_must_be() {
    for (path, text) in sources() {
        // A counting allocator, in a test, is an allocator.
        if MAY_BE_UNSAFE.iter().any(|place| path.starts_with(place))
            || path.contains("/tests/alloc")
        {
            continue;
        }
        for (line, number) in text.lines().zip(1..) {
            let words = code(line).split(|c: char| !c.is_alphanumeric() && c != '_');
            let used = words.into_iter().any(|word| word == "unsafe");
            assert!(!used || path.ends_with("architecture.rs"), "{path}:{number}: {line}");
        }
    }
    // The list means something: what may be unsafe is.
    for place in MAY_BE_UNSAFE {
        let is_used = |(path, text): &(String, String)| {
            path.starts_with(place) && text.lines().any(|line| code(line).contains("unsafe {"))
        };
        assert!(sources().iter().any(is_used), "{place} needs no leave to be unsafe");
    }
}

#[test]
fn only_the_shells_read_clocks() {
    let mut readers = BTreeSet::new();
    for (path, text) in sources() {
        let program = path.contains("/src/")
            && !path.contains("/src/bin/")
            && !path.starts_with("tests/src/real/");
        let excused = text.lines().any(|line| {
            let line = code(line);
            (line.contains("expect(") || line.contains("allow("))
                && line.contains("disallowed_methods")
        });
        if program && excused {
            readers.insert(path);
        }
    }
    for path in readers {
        assert!(
            MAY_READ_CLOCKS.contains(&path.as_str()),
            "{path} excuses itself from the clock rule"
        );
    }
}
