//! Runs `partyline`: the bridge as a process, its administration as commands.
//!
//! A setup has a folder of its own and, but for the demo, a loopback network of its own, so that
//! several can run at one time.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::real::records::{Event, Leg};

/// Longest start of a bridge and longest drain, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two questions whether it is ready.
const PAUSE: Duration = Duration::from_millis(50);

/// A loopback network: the bridge is its first host, phones are the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(Ipv4Addr);

impl Network {
    /// One that other runs on this machine do not use: made from the process id.
    #[must_use]
    pub fn own() -> Self {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        // 127.64.0.0/10: far from 127.0.0.1 and its neighbours.
        Self(Ipv4Addr::new(127, 64 | (low >> 6), high, low << 2 | 1))
    }

    /// The usual one, 127.0.0.1, where a softphone finds the bridge.
    #[must_use]
    pub const fn usual() -> Self {
        Self(Ipv4Addr::LOCALHOST)
    }

    /// The address of the bridge.
    #[must_use]
    pub const fn bridge(self) -> Ipv4Addr {
        self.0
    }

    /// The address of a second bridge.
    #[must_use]
    pub fn second_bridge(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.0) + 2)
    }

    /// The address of somebody else's server.
    #[must_use]
    pub fn carrier(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.0) - 1)
    }

    /// The address of all phones, each on ports of its own.
    #[must_use]
    pub fn phones(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.0) + 1)
    }
}

/// What is configured besides addresses and the data folder.
#[derive(Clone, Debug)]
pub struct Options {
    /// `log.filter`.
    pub log: &'static str,
    /// Where calls out go; nowhere without.
    pub trunk: Option<SocketAddr>,
    /// A network that phones send sound from, where it is not the one that their SIP comes from.
    pub media_sources: Option<&'static str>,
}

/// A configured bridge that may or may not run.
#[derive(Clone, Debug)]
pub struct Setup {
    program: PathBuf,
    folder: PathBuf,
    sip: SocketAddr,
    http: SocketAddr,
}

impl Setup {
    /// Empties `folder` and writes a configuration into it.
    ///
    /// # Errors
    /// The folder cannot be made, or the program is not built.
    pub fn new(folder: &Path, network: Network, options: &Options) -> Result<Self> {
        Self::configured(folder, network.bridge(), program()?, |setup| setup.toml(options))
    }

    /// Empties `folder` and writes what `toml` makes of the addresses into it, for a bridge at `ip`
    /// that is run by `program`.
    ///
    /// # Errors
    /// The folder cannot be made, or the program does not run.
    pub fn configured(
        folder: &Path,
        ip: impl Into<IpAddr>,
        program: PathBuf,
        toml: impl FnOnce(&Self) -> String,
    ) -> Result<Self> {
        let ip = ip.into();
        if folder.exists() {
            fs::remove_dir_all(folder)
                .with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        let setup = Self {
            program,
            sip: (ip, free_udp(ip, 5060)?).into(),
            http: (ip, free_tcp(ip, 9060)?).into(),
            folder,
        };
        // Without a configuration a new data folder gets the demonstration account.
        let data = setup.data().display().to_string();
        finish(setup.command().args(["--data", &data, "init"]))?;
        fs::write(setup.config(), toml(&setup))?;
        Ok(setup)
    }

    /// The program, undisturbed by settings of whoever runs this.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env_remove("PARTYLINE_CONFIG").env_remove("PARTYLINE_DATA").stdin(Stdio::null());
        command
    }

    fn toml(&self, options: &Options) -> String {
        let trunk =
            options.trunk.map_or_else(String::new, |to| format!("destination = \"{to}\"\n"));
        let media_sources = options
            .media_sources
            .map_or_else(String::new, |net| format!("media_sources = [\"{net}\"]\n"));
        format!(
            "[data]\ndir = \"{}\"\n\n[sip]\nlisten = [\"{}\"]\n\n[media]\naddress = \"{}\"\n\n\
             [http]\nlisten = \"{}\"\n\n[log]\nfilter = \"{}\"\n\n\
             [[trunk]]\nname = \"loopback\"\nsources = [\"127.0.0.0/8\"]\n\
             kind = \"carrier\"\ntrusted = true\n{trunk}{media_sources}",
            self.data().display(),
            self.sip,
            self.sip.ip(),
            self.http,
            options.log,
        )
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The folder that it was made in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join("bridge.toml")
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The log, over all starts.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("bridge.log")
    }

    /// Where calls go.
    #[must_use]
    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// Where metrics and health are shown.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Starts the bridge and waits until it takes calls.
    ///
    /// # Errors
    /// It ended, or was not ready in time; with the end of its log.
    pub fn start(&self) -> Result<Running> {
        let append = |path: PathBuf| File::options().create(true).append(true).open(path);
        let child = self
            .command()
            .arg("--config")
            .arg(self.config())
            .arg("serve")
            .stdout(append(self.folder.join("bridge.out"))?)
            .stderr(append(self.log())?)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let mut running = Running { child };
        for _ in 0..tries() {
            if let Some(status) = running.child.try_wait()? {
                bail!("the bridge ended ({status}):\n{}", self.last_of_log());
            }
            if self.is_healthy() {
                return Ok(running);
            }
            pause(PAUSE);
        }
        bail!("the bridge was not ready in {PATIENCE:?}:\n{}", self.last_of_log())
    }

    fn is_healthy(&self) -> bool {
        self.get("/health").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// What the running bridge says of itself, in Prometheus' format.
    ///
    /// # Errors
    /// It does not answer.
    pub fn metrics(&self) -> Result<String> {
        self.get("/metrics").context("the bridge shows no metrics")
    }

    /// A page that the running bridge shows.
    ///
    /// # Errors
    /// It does not answer.
    pub fn page(&self, path: &str) -> Result<String> {
        let answer = self.get(path).with_context(|| format!("the bridge does not show {path}"))?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no page")?;
        Ok(body.to_owned())
    }

    fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.http, PAUSE)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: bridge\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn last_of_log(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// Runs an administrative command; what it printed.
    ///
    /// # Errors
    /// It failed; with what it said.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        finish(self.command().arg("--config").arg(self.config()).args(words))
    }

    /// The passcodes of a conference.
    ///
    /// # Errors
    /// There is none such.
    pub fn passcodes(&self, conference: &str) -> Result<Passcodes> {
        let shown = self.run(&["passcode", "show", conference])?;
        let of = |role: &str| {
            let mut rows = shown.lines().map(str::split_whitespace);
            let row =
                rows.find_map(|mut row| row.next().filter(|&word| word == role).and(row.next()));
            row.map(str::to_owned).with_context(|| format!("conference {conference}: no {role}"))
        };
        Ok(Passcodes { moderator: of("moderator")?, participant: of("participant")? })
    }

    /// The current revision of every leg, the newest first.
    ///
    /// # Errors
    /// The command fails or prints something else.
    pub fn legs(&self) -> Result<Vec<Leg>> {
        let lines = self.run(&["cdr", "list", "--json", "--full", "--limit", "100000"])?;
        lines.lines().map(Leg::parse).collect()
    }

    /// Every event of every leg, the oldest first.
    ///
    /// # Errors
    /// The command fails or prints something else.
    pub fn events(&self) -> Result<Vec<Event>> {
        let lines = self.run(&["cdr", "features", "--json", "--full", "--limit", "100000"])?;
        lines.lines().map(Event::parse).collect()
    }

    /// Waits until every leg is closed in the database, or for five seconds; the legs.
    ///
    /// # Errors
    /// As [`Self::legs`].
    pub fn closed_legs(&self, wanted: usize) -> Result<Vec<Leg>> {
        for _ in 0..100 {
            let legs = self.legs()?;
            if legs.len() >= wanted && legs.iter().all(Leg::is_closed) {
                return Ok(legs);
            }
            pause(PAUSE);
        }
        self.legs()
    }

    /// The recordings.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn recordings(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(self.data().join("recordings"))?;
        let mut files: Vec<_> =
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        files.sort();
        Ok(files)
    }
}

/// What opens a conference. They are not secret here, but no log shows them.
#[derive(Clone)]
pub struct Passcodes {
    /// For its moderator.
    pub moderator: String,
    /// For the others.
    pub participant: String,
}

/// A bridge that runs; killed when dropped.
pub struct Running {
    child: Child,
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, at once: nothing is written any more.
    ///
    /// # Errors
    /// The system does not let it.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for the end of the drain.
    ///
    /// # Errors
    /// It does not end.
    pub fn terminate(mut self) -> Result<ExitStatus> {
        // Signals other than KILL need unsafe code or a program; every Debian has this one.
        let sent = Command::new("/bin/sh")
            .args(["-c", "kill -TERM \"$0\""])
            .arg(self.id().to_string())
            .status()?;
        ensure!(sent.success(), "cannot signal the bridge");
        for _ in 0..tries() {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            pause(PAUSE);
        }
        bail!("the bridge did not end {PATIENCE:?} after SIGTERM")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already where this fails.
        if self.child.kill().is_ok() {
            self.child.wait().map(drop).unwrap_or_default();
        }
    }
}

/// Runs a command to its end; what it printed.
fn finish(command: &mut Command) -> Result<String> {
    let done = command.output().context("cannot run partyline")?;
    let said = String::from_utf8_lossy(&done.stderr);
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    ensure!(done.status.success(), "partyline {}: {}", words.join(" "), said.trim());
    Ok(String::from_utf8(done.stdout)?)
}

/// `partyline` beside this program.
///
/// # Errors
/// It is not built.
pub fn program() -> Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("partyline");
    ensure!(beside.exists(), "{} is missing: cargo build -p partyline", beside.display());
    Ok(beside)
}

/// `wanted` if it is free, else another port.
fn free_udp(ip: IpAddr, wanted: u16) -> Result<u16> {
    let socket = std::net::UdpSocket::bind((ip, wanted))
        .or_else(|_| std::net::UdpSocket::bind((ip, 0)))
        .with_context(|| format!("no UDP port on {ip}"))?;
    Ok(socket.local_addr()?.port())
}

fn free_tcp(ip: IpAddr, wanted: u16) -> Result<u16> {
    let socket = std::net::TcpListener::bind((ip, wanted))
        .or_else(|_| std::net::TcpListener::bind((ip, 0)))
        .with_context(|| format!("no TCP port on {ip}"))?;
    Ok(socket.local_addr()?.port())
}

fn tries() -> u128 {
    PATIENCE.as_millis() / PAUSE.as_millis()
}

/// Waits for another process, which tells nobody when it is ready.
#[expect(clippy::disallowed_methods, reason = "another process is waited for")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
