//! What docs/trunks.md tells a newcomer to do, done: its files are written, its commands run, in its
//! order, against a provider that is played here. And every example of docs/trunks/ is looked over.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;
mod provider;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{own_address, pause};
use provider::Provider;
use tempfile::TempDir;

/// What the page calls this machine and the provider's.
const HERE: &str = "203.0.113.5";
const THERE: &str = "198.51.100.20";
/// Tries of a command whose answer is on its way, half a second apart.
const TRIES: u32 = 80;

fn page() -> String {
    fs::read_to_string(docs().join("trunks.md")).unwrap()
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// A fenced block: what stands behind its fence, and its lines.
struct Block {
    kind: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(kind), None) => {
                open = Some(Block { kind: kind.trim().to_owned(), text: String::new() });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    found
}

/// A command of a block, and what it prints.
struct Step {
    command: String,
    prints: Vec<String>,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => steps.push(Step { command: command.to_owned(), prints: Vec::new() }),
            None => steps.last_mut().unwrap().prints.push(line.to_owned()),
        }
    }
    steps
}

/// A line as it is compared: every number is one, every stretch of blanks and of a line drawn too.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    for c in line.chars() {
        let c = match c {
            c if c.is_ascii_digit() => '0',
            c if c.is_whitespace() => ' ',
            c => c,
        };
        if !(matches!(c, '0' | ' ' | '─') && shape.ends_with(c)) {
            shape.push(c);
        }
    }
    shape.trim().to_owned()
}

/// The first line that is not printed, in the order of the page. What follows `…` may be anything.
fn missing<'a>(expected: &'a [String], printed: &str) -> Option<&'a String> {
    let mut printed = printed.lines().map(shape);
    expected.iter().find(|line| {
        let wanted = line.split('…').next().map(shape).unwrap_or_default();
        let open = line.contains('…');
        !printed.any(|line| if open { line.starts_with(&wanted) } else { line == wanted })
    })
}

/// The newcomer's folder and terminal.
struct Newcomer {
    folder: TempDir,
    /// What was said in the terminal that lasts: `umask`, `export`.
    lasting: Vec<String>,
    addresses: [(&'static str, String); 2],
    bridge: Option<Child>,
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        if let Some(bridge) = &mut self.bridge {
            // It may have ended by itself.
            bridge.kill().unwrap_or_default();
            bridge.wait().map(|_| ()).unwrap_or_default();
        }
    }
}

impl Newcomer {
    fn new(addresses: [(&'static str, String); 2]) -> Self {
        let folder = TempDir::new().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let program = env!("CARGO_BIN_EXE_partyline");
        std::os::unix::fs::symlink(program, bin.join("partyline")).unwrap();
        Self { folder, lasting: Vec::new(), addresses, bridge: None }
    }

    /// A text of the page with the addresses of this run.
    fn here(&self, text: &str) -> String {
        self.addresses.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    fn shell(&self, command: &str) -> Command {
        let mut shell = Command::new("sh");
        let path = format!("{}:/usr/bin:/bin", self.folder.path().join("bin").display());
        shell.env_clear().env("PATH", path).current_dir(self.folder.path()).stdin(Stdio::null());
        shell.arg("-c").arg([&self.lasting[..], &[self.here(command)]].concat().join("\n"));
        shell
    }

    fn write(&self, name: &str, text: &str) {
        // Not on the page: the port of /metrics, beside other bridges of this machine, and who
        // knows where the provider is.
        let more = format!(
            "\n[http]\nlisten = \"{}:9060\"\n[dns]\nservers = [\"{}:{}\"]\n",
            self.here(HERE),
            self.here(THERE),
            provider::DNS_PORT
        );
        fs::write(self.folder.path().join(name), self.here(text) + &more).unwrap();
    }

    fn serve(&mut self, command: &str) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut shell = self.shell(&format!("exec {command}"));
        self.bridge = Some(shell.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Does a step until it prints what the page says; what it printed.
    fn step(&mut self, step: &Step) -> String {
        if step.command.starts_with("umask ") || step.command.starts_with("export ") {
            self.lasting.push(step.command.clone());
            return String::new();
        }
        let asks = ["partyline trunk ", "partyline trace "];
        let asks = asks.iter().any(|asking| step.command.starts_with(asking));
        let prints: Vec<String> = step.prints.iter().map(|line| self.here(line)).collect();
        for tried in 1.. {
            let run = self.shell(&step.command).output().unwrap();
            let printed = String::from_utf8(run.stdout).unwrap();
            let missing = missing(&prints, &printed);
            if run.status.success() && missing.is_none() {
                return printed;
            }
            let said = String::from_utf8_lossy(&run.stderr).into_owned();
            assert!(
                asks && tried < TRIES,
                "{}: {}: not printed: {missing:?}\n{printed}{said}\n{}",
                step.command,
                run.status,
                self.log()
            );
            pause(Duration::from_millis(500));
        }
        unreachable!("it is tried until it is asserted");
    }
}

#[test]
fn a_newcomer_comes_from_the_welcome_mail_to_calls_in_both_directions() {
    let (here, there) = (own_address(4), own_address(5));
    let mut provider = Provider::start(there, ("1234567t0", "zanzibar"));
    let mut newcomer = Newcomer::new([(HERE, here.to_string()), (THERE, there.to_string())]);
    let mut moderator = String::new();
    let mut done = Vec::new();
    for Block { kind, text } in blocks(&page()) {
        match kind.as_str() {
            "toml bridge.toml" => newcomer.write("bridge.toml", &text),
            "console &" => newcomer.serve(&steps(&text)[0].command),
            "console" | "console call" | "console dialled" => {
                if kind.ends_with("call") {
                    provider.call("+14165550188", "+14165550123");
                } else if kind.ends_with("dialled") {
                    provider.key(&format!("{moderator}#"));
                    pause(Duration::from_secs(6));
                    provider.key("*1");
                    pause(Duration::from_secs(4));
                    provider.key("4165550199#");
                }
                for step in steps(&text) {
                    let printed = newcomer.step(&step);
                    let passcode = printed.lines().find_map(|l| l.strip_prefix("moderator"));
                    moderator = passcode.map_or(moderator, |code| code.trim().to_owned());
                    assert!(!printed.contains("zanzibar"), "{printed}");
                    done.push(step.command);
                }
            }
            other if other.starts_with("toml ") => {}
            other => panic!("a block of an unknown kind: {other:?}"),
        }
    }
    assert!(done.len() >= 12, "the page has its commands: {done:?}");
    let dialled = provider.dialled();
    assert!(dialled.starts_with("sip:+14165550199@sip.example.net"), "{dialled}");
    provider.hang_up();
    // Records are written a moment after the calls have ended.
    let both = |printed: &str| printed.matches("\"close_reason\":\"normal\"").count() == 2;
    let written = (0..TRIES).any(|_| {
        let list = Step { command: "partyline cdr list --json".to_owned(), prints: Vec::new() };
        let written = both(&newcomer.step(&list));
        pause(Duration::from_millis(if written { 0 } else { 500 }));
        written
    });
    assert!(written, "both calls are in the records: {}", newcomer.log());
}

/// What check-config says of a file, with files for what is below /etc/partyline.
fn looked_over(name: &str, text: &str) -> String {
    let folder = TempDir::new().unwrap();
    let certificate = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
    let files = [
        ("fullchain.pem", certificate.cert.pem()),
        ("privkey.pem", certificate.signing_key.serialize_pem()),
        ("far-end-ca.pem", certificate.cert.pem()),
        ("provider.password", "zanzibar".to_owned()),
        ("example-net.password", "zanzibar".to_owned()),
        ("anna.password", "zanzibar".to_owned()),
        ("ben.password", "zanzibar".to_owned()),
    ];
    for (file, text) in files {
        let path = folder.path().join(file);
        fs::write(&path, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, mode).unwrap();
    }
    let below = format!("{}/", folder.path().display());
    let text = text
        .replace("/etc/partyline/", &below)
        .replace("= \"example-net.pa", &format!("= \"{below}example-net.pa"));
    fs::write(folder.path().join(name), text).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_partyline"));
    let run = check.env_clear().current_dir(&folder).args(["check-config", name]).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{name}: {said}{}", String::from_utf8_lossy(&run.stderr));
    said
}

#[test]
fn every_configuration_of_the_page_is_without_fault_or_warning() {
    let blocks = blocks(&page());
    let files = blocks.iter().filter_map(|block| Some((block.kind.strip_prefix("toml ")?, block)));
    let first = files.clone().find(|(name, _)| *name == "bridge.toml").unwrap().1;
    let (around, _) = first.text.split_once("[[trunk]]").unwrap();
    let mut seen = 0;
    for (name, block) in files {
        // A trunk alone stands in the place of the one of the first file.
        let whole = block.text.contains("[sip]");
        let text = if whole { block.text.clone() } else { format!("{around}{}", block.text) };
        let said = looked_over(name, &text);
        assert!(said.contains("no fault") && !said.contains("# warning"), "{name}: {said}");
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn every_example_of_a_far_end_is_without_fault_or_warning_and_on_the_page() {
    let page = page();
    let mut seen = 0;
    for entry in fs::read_dir(docs().join("trunks")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let said = looked_over(&name, &fs::read_to_string(&path).unwrap());
        assert!(said.contains("no fault") && !said.contains("# warning"), "{name}: {said}");
        assert!(page.contains(&format!("(trunks/{name})")), "{name} is not on the page");
        seen += 1;
    }
    assert!(seen >= 9, "only {seen}");
}

#[test]
fn a_line_is_compared_by_its_shape() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let printed = "id  name\n 1  a-b  2026-11-30\n<── 200 OK ───  udp 127.0.0.1:5060; x\nend\n";
    assert_eq!(missing(&lines("7 a-b 1-1-1\n<─ 404 OK ──────  udp 1.1.1.1:1; …"), printed), None);
    assert_eq!(missing(&lines("end\nid name"), printed), Some(&"id name".to_owned()));
    assert_eq!(missing(&lines("7 a-c 1-1-1"), printed), Some(&"7 a-c 1-1-1".to_owned()));
}
