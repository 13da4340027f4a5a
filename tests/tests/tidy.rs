//! What keeps the tree readable: short files, documents that tell the truth, nothing of one machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const MOST_LINES: usize = 800;
/// What people read, and what builds and tests run.
const TEXTS: [&str; 12] =
    ["rs", "toml", "md", "sh", "py", "sql", "xml", "yml", "yaml", "json", "txt", "csv"];
const ROOT_FILES: [&str; 6] =
    ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "clippy.toml"];

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("tests/ lies in the workspace").to_path_buf()
}

/// Every file of the tree with one of the extensions, by its path from the root.
fn files(extensions: &[&str]) -> Vec<(String, String)> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder").filter_map(Result::ok) {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", ".git", "corpus", "artifacts", "demo-out"].contains(&name.as_str()) {
                    collect(&path, found);
                }
            } else {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    collect(&root, &mut found);
    found.sort();
    let mut files = Vec::new();
    for path in found {
        let extension = path.extension().map(|e| e.to_string_lossy().into_owned());
        let is_makefile = path.file_name().is_some_and(|name| name == "Makefile");
        if is_makefile || extension.is_some_and(|e| extensions.contains(&e.as_str())) {
            let name = path.strip_prefix(&root).expect("below the root").display().to_string();
            files.push((name, fs::read_to_string(&path).expect("texts are UTF-8")));
        }
    }
    files
}

#[test]
fn no_source_file_is_longer_than_eight_hundred_lines() {
    let sources = files(&["rs"]);
    assert!(sources.len() > 100, "the tree is found");
    for (path, text) in sources {
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{path} has {lines} lines");
    }
}

#[test]
fn every_crate_says_what_it_is_for() {
    for (path, text) in files(&["toml"]) {
        let Some(folder) = path.strip_suffix("Cargo.toml").filter(|_| text.contains("[package]"))
        else {
            continue;
        };
        let entries = ["src/lib.rs", "src/main.rs"].map(|file| root().join(folder).join(file));
        let Some(entry) = entries.iter().find(|entry| entry.exists()) else { continue };
        let text = fs::read_to_string(entry).expect("UTF-8");
        assert!(text.starts_with("//! "), "{} begins with what it is for", entry.display());
    }
}

#[test]
fn root_documents_are_there() {
    for file in ROOT_FILES {
        assert!(root().join(file).exists(), "{file} is missing");
    }
}

/// What stands between back-ticks and looks like a path of this tree.
fn paths(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let looks = |word: &&str| {
        let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "/_-.".contains(c));
        let file =
            word.rsplit('.').next().is_some_and(|e| TEXTS.contains(&e) && word.contains('.'));
        plain && word.contains('/') && !word.starts_with('/') && (file || word.ends_with('/'))
    };
    quoted.filter(looks).collect()
}

#[test]
fn every_path_in_the_architecture_document_exists() {
    let document = root().join("ARCHITECTURE.md");
    let text = fs::read_to_string(&document)
        .expect("ARCHITECTURE.md is missing: it tells where a packet, a digit and a record go");
    let named = paths(&text);
    assert!(named.len() >= 20, "the walks name the files they lead through: {named:?}");
    let all: Vec<String> = files(&TEXTS).into_iter().map(|(path, _)| path).collect();
    for path in named {
        // A path from the root, or the end of one that needs no more to be found.
        let short = format!("/{path}");
        let ends = all.iter().filter(|file| file.ends_with(&short)).count();
        let there = root().join(path).exists() || ends == 1;
        assert!(there, "ARCHITECTURE.md names {path}, which is not there");
    }
}

/// The names of documents in a line: what ends in `.md`.
fn documents(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || "/_-.".contains(c)));
    words.map(|word| word.trim_end_matches('.')).filter(|word| {
        word.strip_suffix(".md").is_some_and(|name| name.ends_with(char::is_alphanumeric))
    })
}

#[test]
fn a_document_that_is_referred_to_is_there() {
    let all: Vec<String> = files(&["md"]).into_iter().map(|(path, _)| path).collect();
    for (path, text) in files(&TEXTS) {
        if path.ends_with("tests/tidy.rs") {
            continue;
        }
        for (line, number) in text.lines().zip(1..) {
            for name in documents(line) {
                let name = name.trim_start_matches("./").trim_start_matches("../");
                let end = format!("/{name}");
                let there = all.iter().any(|file| file == name || file.ends_with(&end));
                assert!(there, "{path}:{number}: there is no {name}: say the reason in place");
            }
            // Numbers of a list that the tree does not have.
            let numbered = line.split_once("failure case E").or(line.split_once("(decision "));
            let numbered = numbered.is_some_and(|(_, rest)| rest.starts_with(char::is_numeric));
            assert!(!numbered, "{path}:{number}: say the reason in place: {line}");
        }
    }
    let named: Vec<_> = documents("as (rating.md R5) and ../a/b.md. say; .md x.mdx").collect();
    assert_eq!(named, ["rating.md", "../a/b.md"]);
}

/// Crates whose documentation is held to name its subjects.
const NAMED: [&str; 6] = [
    "bridge/server/src/",
    "bridge/media-io/src/",
    "bridge/capture/src/",
    "bridge/media/src/",
    "bridge/sip/src/",
    "cdr/store/src/",
];

#[test]
fn a_doc_comment_names_its_subject() {
    const RIDDLES: [&str; 8] =
        ["It ", "It,", "Its ", "They ", "Their ", "Whoever ", "So many ", "Both "];
    for (path, text) in files(&["rs"]) {
        if !NAMED.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let mut before = "";
        for (line, number) in text.lines().zip(1..) {
            let begins = line.trim_start().strip_prefix("/// ");
            let riddle = begins.filter(|_| !before.trim_start().starts_with("///"));
            let riddle = riddle.is_some_and(|text| RIDDLES.iter().any(|r| text.starts_with(r)));
            assert!(!riddle, "{path}:{number}: what is meant? {line}");
            before = line;
        }
    }
}

/// Ways to let an error go.
const LET_GO: [&str; 5] =
    [".ok();", "let _ =", "| Err(_)) = ", "drop(write", ".unwrap_or_default();"];
/// How often that is done outside of tests; each time with a reason.
const MOST_LET_GO: usize = 8;

/// Lines that let an error go, with the lines before each: those outside of tests.
fn let_go(text: &str) -> Vec<(usize, String)> {
    let program = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines: Vec<&str> = program.lines().collect();
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or_default().trim_start();
        // A value that is used takes its default for a reason of its own.
        let is_statement = !code.starts_with("let ") && !code.contains(" = ");
        let lets_go = LET_GO.iter().any(|way| {
            code.contains(way)
                && (is_statement || code.starts_with("let _ =") || code.contains("| Err(_)) = "))
        });
        if lets_go {
            let from = number.saturating_sub(4);
            found.push((number + 1, lines[from..=number].join("\n")));
        }
    }
    found
}

#[test]
fn an_error_that_is_let_go_has_a_reason() {
    let mut all = 0;
    for (path, text) in files(&["rs"]) {
        let program = path.contains("/src/") && !path.starts_with("tests/");
        for (number, around) in if program { let_go(&text) } else { Vec::new() } {
            all += 1;
            assert!(around.contains("//"), "{path}:{number}: why, or which counter?\n{around}");
        }
    }
    assert!(all <= MOST_LET_GO, "{all} errors are let go");
    let text = "fn f() {\n    send().ok();\n    let x = y().ok();\n    let _ = z();\n}\n\
                #[cfg(test)]\nmod tests {\n    a().ok();\n}\n";
    let lines: Vec<usize> = let_go(text).into_iter().map(|(number, _)| number).collect();
    assert_eq!(lines, [2, 4]);
}

#[test]
fn paths_are_found_in_back_ticks() {
    let text =
        "`bridge/media/src/worker.rs` `cdr/store/` `Worker::tick` `a.rs` `/etc/x.toml` x/y.rs";
    assert_eq!(paths(text), ["bridge/media/src/worker.rs", "cdr/store/"]);
}

#[test]
fn nothing_names_one_machine() {
    // Put together here, so that this file does not hold them.
    let homes = [["/", "work/"].concat(), ["/", "home/"].concat(), ["/", "Users/"].concat()];
    for (path, text) in files(&TEXTS) {
        for (line, number) in text.lines().zip(1..) {
            let named = homes.iter().find(|home| line.contains(home.as_str()));
            assert_eq!(named, None, "{path}:{number}: {line}");
        }
    }
}

#[test]
fn within_a_crate_one_name_means_one_type() {
    let mut known: BTreeMap<(String, String), String> = BTreeMap::new();
    for (path, text) in files(&["rs"]) {
        let Some((package, inside)) = path.split_once("/src/") else { continue };
        // The simulated and the real world of tests have the same things in them.
        if package == "tests" {
            continue;
        }
        // Each program of a package is a crate of its own.
        let program = inside.strip_prefix("bin/").and_then(|rest| rest.split(['/', '.']).next());
        let crate_name = format!("{package} {}", program.unwrap_or("lib"));
        for name in text.lines().filter_map(visible_type) {
            let key = (crate_name.clone(), name.to_owned());
            let other = known.insert(key, path.clone());
            assert_eq!(other, None, "{path} has a type {name} as well");
        }
    }
    assert!(known.len() > 300, "types are found: {}", known.len());
}

/// The type that a line declares for its whole crate or for others.
fn visible_type(line: &str) -> Option<&str> {
    let declared = ["pub ", "pub(crate) "].iter().find_map(|seen| line.strip_prefix(seen))?;
    let name =
        ["struct ", "enum ", "trait "].iter().find_map(|kind| declared.strip_prefix(kind))?;
    name.split(|c: char| !c.is_ascii_alphanumeric()).next()
}

#[test]
fn doc_comments_name_their_subject() {
    const CRATES: [&str; 6] = [
        "bridge/conference/",
        "bridge/control/",
        "bridge/model/",
        "bridge/directory/",
        "dialplans/",
        "cdr/record/",
    ];
    const RIDDLES: [&str; 9] =
        ["It ", "They ", "He ", "She ", "Whoever ", "The same ", "The one ", "What it ", "Why it "];
    let mut docs = 0;
    for (path, text) in files(&["rs"]) {
        if !CRATES.iter().any(|folder| path.starts_with(&format!("{folder}src/"))) {
            continue;
        }
        let mut before = "";
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            let doc = line.strip_prefix("/// ").filter(|_| !before.starts_with("///"));
            let riddle = doc.and_then(|doc| RIDDLES.iter().find(|word| doc.starts_with(**word)));
            assert_eq!(riddle, None, "{path}:{number}: what is that? {line}");
            docs += usize::from(doc.is_some());
            before = line;
        }
    }
    assert!(docs > 1000, "doc comments are found: {docs}");
}

#[test]
fn what_is_left_to_do_names_its_issue() {
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    for (path, text) in files(&["rs", "sh", "py", "toml", "sql"]) {
        for (line, number) in text.lines().zip(1..) {
            let marked = line
                .split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| marks.iter().any(|mark| mark == word));
            assert!(!marked || line.contains("issue #"), "{path}:{number}: {line}");
        }
    }
}

/// What a log line may print as Rust code does: lists.
const PRINTED_AS_CODE: [&str; 2] = ["config.sip.listen", "recovered.cuts"];

#[test]
fn logs_are_for_people_and_print_no_some() {
    let mut lines_seen = 0;
    for (path, text) in files(&["rs"]) {
        for log in text.split("tracing::").skip(1) {
            let level = log.split(['!', ' ', ':', ';']).next().unwrap_or_default();
            if !["trace", "debug", "info", "warn", "error"].contains(&level) {
                continue;
            }
            lines_seen += 1;
            let end = log.find(");").unwrap_or(log.len());
            for printed in log[..end].split(['(', ',', '=']).map(str::trim) {
                let Some(value) = printed.strip_prefix('?') else { continue };
                let value = value.split(|c: char| c.is_whitespace() || c == ')').next();
                let listed = PRINTED_AS_CODE.contains(&value.unwrap_or_default());
                assert!(listed, "{path} logs {printed:?} as code: an Option would print Some(...)");
            }
        }
    }
    assert!(lines_seen > 20, "log lines are found: {lines_seen}");
}
