//! Runs the built program in a folder of its own.

#![allow(dead_code, reason = "each test program uses a part")]

use std::path::PathBuf;
use std::process::Command;

use partyline_cdr_store::Store;
use tempfile::TempDir;

/// A data folder and the program that works on it.
pub(crate) struct Bench {
    dir: TempDir,
    config: Option<PathBuf>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Bench {
    /// Without a configuration file and without data.
    pub(crate) fn bare() -> Self {
        Self { dir: TempDir::new().unwrap(), config: None }
    }

    /// Without a configuration file: with the demonstration account.
    pub(crate) fn with_demo() -> Self {
        let bench = Self::bare();
        bench.ok(&["init"]);
        bench
    }

    /// With an empty configuration file: there is an empty data folder.
    pub(crate) fn empty() -> Self {
        Self::configured("")
    }

    /// With a configuration file and an empty data folder.
    pub(crate) fn configured(config: &str) -> Self {
        let bench = Self::unprepared(config);
        bench.ok(&["init"]);
        bench
    }

    /// With a configuration file and without data.
    pub(crate) fn unprepared(config: &str) -> Self {
        let mut bench = Self::bare();
        bench.config = Some(bench.file("bridge.toml", config));
        bench
    }

    /// Writes a file beside the data folder.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_partyline"));
        command.env_clear().current_dir(self.dir.path());
        command.arg("--data").arg(self.data());
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        let output = command.args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What a run that must succeed prints.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, Some(0), "{args:?}: {run:#?}");
        run.out
    }

    /// What a run that must fail says.
    pub(crate) fn fails(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, Some(1), "{args:?}: {run:#?}");
        run.err
    }

    /// What clap says about arguments that it refuses.
    pub(crate) fn misused(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, Some(2), "{args:?}: {run:#?}");
        run.err
    }

    /// Asks the store.
    pub(crate) fn store<T>(&self, ask: impl AsyncFnOnce(&Store) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = Store::open(&self.data().join("partyline.db")).await.unwrap();
            let answer = ask(&store).await;
            store.close().await;
            answer
        })
    }

    /// The version that a running bridge watches.
    pub(crate) fn version(&self) -> u64 {
        self.store(async |store| store.directory_version().await.unwrap())
    }
}

/// Whether one line of `text` holds all `words`.
pub(crate) fn has_line(text: &str, words: &[&str]) -> bool {
    text.lines().any(|line| words.iter().all(|word| line.contains(word)))
}
