//! docs/star-codes.md names a test for each promise: it is there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The tests of the tree: functions that the line `#[test]` stands before.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                let name = line.strip_prefix("fn ").and_then(|rest| rest.split_once('('));
                if let Some((name, _)) = name.filter(|_| is_test) {
                    found.insert(name.to_owned());
                }
                is_test = line == "#[test]" || is_test && line.starts_with("#[");
            }
        }
    }
}

#[test]
fn every_test_that_the_page_of_star_codes_names_is_there() {
    let page = fs::read_to_string(root().join("docs/star-codes.md")).unwrap();
    let (_, proof) = page.split_once("\n## What shows that it works\n").unwrap();
    let mut found = BTreeSet::new();
    for folder in ["bridge", "dialplans", "tests/tests"] {
        tests(&root().join(folder), &mut found);
    }
    let rows = proof.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what"));
    let shown: Vec<&str> = rows.filter_map(|row| row.split(" | ").last()).collect();
    assert!(shown.len() > 70, "{} rows", shown.len());
    let (unbuilt, named): (Vec<&str>, Vec<&str>) = shown
        .into_iter()
        .map(|cell| cell.trim_end_matches(" |"))
        .partition(|cell| *cell == "not built");
    assert!(unbuilt.len() < named.len() / 3, "{} are not built", unbuilt.len());
    for cell in named {
        let name = cell.trim_matches('`');
        assert!(found.contains(name), "no test is called {name}");
    }
}
