//! docs/sip.md tells the truth: every test and every case of `make interop` that it names is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("tests/ lies in the workspace").to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between back-ticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The names of all tests: functions under a `#[test]` of any kind, or in `proptest!`.
fn tests() -> BTreeSet<String> {
    let mut folders = vec![root()];
    let mut names = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").filter_map(Result::ok) {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if name.ends_with(".rs") {
                collect(&fs::read_to_string(&path).expect("sources are UTF-8"), &mut names);
            }
        }
    }
    names
}

fn collect(source: &str, names: &mut BTreeSet<String>) {
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        let declared = line.trim_start_matches("async ").strip_prefix("fn ");
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(rest) = declared {
            let name = rest.split('(').next().unwrap_or_default();
            if std::mem::take(&mut is_test) {
                names.insert(name.to_owned());
            }
        }
    }
}

/// The rows of the table below a heading, without its own head.
fn rows<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let (_, below) = page.split_once(heading).expect("the heading is there");
    let lines = below.lines().skip_while(|line| !line.starts_with('|'));
    let table = lines.take_while(|line| line.starts_with('|')).skip(2);
    table.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// Whether a name of the page is that of a test or a case.
fn is_there(name: &str, tests: &BTreeSet<String>, cases: &str) -> bool {
    match name.strip_prefix("interop/") {
        Some(case) => cases.contains(&format!("\"{case}\",")),
        None => tests.contains(name),
    }
}

#[test]
fn every_test_and_case_that_the_page_names_is_there() {
    let (page, tests) = (read("docs/sip.md"), tests());
    let cases = read("tests/src/bin/interop/cases.rs");
    assert!(tests.len() > 1000, "tests are found: {}", tests.len());
    let standards = rows(&page, "## Standards");
    assert!(standards.len() > 30, "the table is found");
    for row in &standards {
        let [standard, _, done, proof] = row[..] else { panic!("four columns: {row:?}") };
        let proofs: Vec<_> = quoted(proof).collect();
        assert!(!proofs.is_empty() || done.starts_with("no:"), "{standard}: by what?");
        for name in proofs {
            assert!(is_there(name, &tests, &cases), "{standard}: there is no test or case {name}");
        }
    }
    let peers = rows(&page, "## Peers");
    assert!(peers.len() >= 4, "the table is found");
    for cell in peers.iter().flat_map(|row| row.iter().skip(1)) {
        let named: Vec<_> = quoted(cell).collect();
        assert!(
            !named.is_empty() || cell.starts_with("- "),
            "a case, or why there is none: {cell}"
        );
        for name in named {
            assert!(name.starts_with("interop/"), "no case: {name}");
            assert!(is_there(name, &tests, &cases), "there is no case {name}");
        }
    }
}

#[test]
fn a_name_that_is_none_is_noticed() {
    let mut names = BTreeSet::new();
    collect("#[test]\nfn a() {}\nfn b() {}\n#[tokio::test]\nasync fn c() {}\n", &mut names);
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "c"]);
    assert!(is_there("a", &names, "") && !is_there("b", &names, ""));
    assert!(
        is_there("interop/x", &names, "shared(\n\"x\",")
            && !is_there("interop/y", &names, "\"x\",")
    );
    let page = "## T\n\nx\n\n| a | b |\n|---|---|\n| 1 | `2` |\n\n| 3 | 4 |\n";
    assert_eq!(rows(page, "## T"), [["1", "`2`"]]);
}
