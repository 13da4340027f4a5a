//! The `phones` program as a shell sees it: lines, logs and exit codes.

#![cfg(feature = "cli")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

#[test]
fn failed_expectation_is_named_and_ends_with_code_one() {
    let folder = Folder::new("failed");
    // Port 9 of this address is nobody's: the call is never answered.
    let story = r#"{"target":"127.0.8.9:9","limit":2,"phones":[{"name":"anna/..","steps":[
        {"do":"call"},{"do":"await_answer","within":0.5},{"do":"press","keys":"4711#"},
        {"do":"expect_status","status":200}]}]}"#;
    let path = folder.write("story.json", story);
    let log = folder.path.join("log");
    let arguments = ["play", &path, "--from", "127.0.8.2", "--log", log.to_str().expect("UTF-8")];
    let output = phones(&arguments);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("anna/..: be answered within 500ms (not in time)"), "{text}");
    assert!(text.contains("1 calls, 0 answered, 3 failures"), "{text}");
    let log = fs::read_to_string(log.join("anna___.json")).expect("a log for each phone");
    assert!(log.contains("\"invite_ms\"") && !log.contains("4711"), "{log}");
}

#[test]
fn broken_story_is_explained_with_line_and_column() {
    let folder = Folder::new("broken");
    let path = folder.write("story.json", "{\"phones\":[\n{\"nam\":\"anna\"}]}");
    let output = phones(&["play", &path]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("unknown field `nam`") && text.contains("line 2"), "{text}");
}

#[test]
fn two_programs_call_each_other() {
    let folder = Folder::new("calls");
    let ring = r#"{"target":"127.0.8.4:9","limit":20,"phones":[
        {"name":"a","address":"127.0.8.3","sip_port":15062,"steps":[
            {"do":"await_incoming","within":9},{"do":"await_end","within":9}]}]}"#;
    let path = folder.write("story.json", ring);
    let callee = Command::new(env!("CARGO_BIN_EXE_phones"))
        .args(["play", &path])
        .spawn()
        .expect("the program runs");
    let target = ["--target", "127.0.8.3:15062", "--from", "127.0.8.5"];
    let output = phones(&[&["call", "--hold", "0.2", "--digits", "1,2"], &target[..]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 calls, 1 answered, 0 failures; all stories ended"), "{text}");
    let callee = callee.wait_with_output().expect("the program ends");
    assert_eq!(callee.status.code(), Some(0));
}

fn phones(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phones"));
    command.args(arguments).output().expect("the program runs")
}

/// A folder of this test alone, gone with it.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("phones-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for the test");
        Self { path }
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path.join(name);
        fs::write(&path, text).expect("a file for the test");
        path.to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind, it does no harm: the next run has another name.
        drop(fs::remove_dir_all(&self.path));
    }
}
