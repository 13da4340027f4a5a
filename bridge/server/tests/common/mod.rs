//! Runs the built program in a folder of its own.

#![allow(dead_code, reason = "each test program uses a part")]

use std::path::PathBuf;
use std::process::Command;

use partyline_cdr_store::Store;
use tempfile::TempDir;

/// A data folder and the program that works on it.
pub(crate) struct Bench {
    dir: TempDir,
    /// The data folder, below the folder.
    data: String,
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
        Self { dir: TempDir::new().unwrap(), data: "data".to_owned(), config: None }
    }

    /// As [`Self::bare`], with the data folder so far below.
    pub(crate) fn below(path: &str) -> Self {
        Self { data: format!("{path}data"), ..Self::bare() }
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
        self.path(&self.data)
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

/// A bridge that runs; it is killed when this is dropped.
pub(crate) struct Served(std::process::Child);

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().unwrap_or_default();
        self.0.wait().map(|_| ()).unwrap_or_default();
    }
}

impl Served {
    /// Ends the bridge in peace.
    pub(crate) fn terminate(&mut self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Bench {
    /// Runs the bridge with a configuration, until it answers questions.
    pub(crate) fn serve(&self, config: &str) -> Served {
        self.serve_with(config, &[])
    }

    /// As [`Self::serve`], with these in its environment.
    pub(crate) fn serve_with(&self, config: &str, environment: &[(&str, PathBuf)]) -> Served {
        let config = self.file("served.toml", config);
        let log = std::fs::File::create(self.path("serve.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_partyline"));
        command.env_clear().current_dir(self.dir.path()).stdin(std::process::Stdio::null());
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command.arg("--data").arg(self.data()).arg("--config").arg(config).arg("serve");
        let mut served = Served(command.spawn().unwrap());
        for _ in 0..600 {
            if self.log().contains("partyline is taking calls") {
                return served;
            }
            let ended = served.0.try_wait().unwrap();
            assert_eq!(ended, None, "{}", self.log());
            pause(std::time::Duration::from_millis(50));
        }
        panic!("the bridge does not start: {}", self.log());
    }

    /// What the bridge logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("serve.log")).unwrap_or_default()
    }
}

#[expect(clippy::disallowed_methods, reason = "another process is waited for")]
pub(crate) fn pause(time: std::time::Duration) {
    std::thread::sleep(time);
}

/// An address of loopback that other programs and runs do not use.
pub(crate) fn own_address(number: u8) -> std::net::Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    std::net::Ipv4Addr::new(127, 192 | number, high, low.max(1))
}
