//! docs/bounds.md tells the truth: every test that it names is there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The text of every source.
fn sources() -> String {
    let (mut folders, mut text) = (vec![root()], String::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().filter_map(Result::ok) {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if name.ends_with(".rs") {
                text += &fs::read_to_string(&path).unwrap();
            }
        }
    }
    text
}

#[test]
fn every_test_that_the_page_of_bounds_names_is_there() {
    let page = fs::read_to_string(root().join("docs/bounds.md")).unwrap();
    let sources = sources();
    let mut rows = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.ends_with("held by |")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [what, bound, full, held] = cells[..] else { panic!("four columns: {row}") };
        assert!(![what, bound, full].contains(&""), "{row}");
        let tests: Vec<&str> = held.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{what}: by what?");
        for test in tests {
            assert!(sources.contains(&format!("fn {test}(")), "{what}: there is no test {test}");
        }
        rows += 1;
    }
    assert!(rows >= 20, "the tables are found: {rows}");
}
