//! Kamailio as a carrier: registrar and proxy with Record-Route, by UDP, TCP and TLS.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::child::{self, Running};

/// The domain that it is registrar of, and that its certificate names.
pub(super) const DOMAIN: &str = "carrier.example";
/// Its start.
const PATIENCE: Duration = Duration::from_secs(10);

/// A Kamailio, and who vouches for it.
pub(super) struct Kamailio {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    /// By UDP and TCP.
    pub(super) plain: SocketAddr,
    pub(super) tls: SocketAddr,
    running: Option<Running>,
    starts: usize,
}

impl Kamailio {
    /// One that does not run yet, at two free ports of `ip`.
    pub(super) fn new(folder: &Path, ip: IpAddr, ports: [u16; 2]) -> Result<Self> {
        let folder = folder.join("kamailio");
        fs::create_dir(&folder)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(folder.join("ca.pem"), params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        let [plain, tls] = ports.map(|port| SocketAddr::new(ip, port));
        let shown = folder.display();
        fs::write(
            folder.join("tls.cfg"),
            format!(
                "[server:default]\nmethod = TLSv1.2+\nverify_certificate = no\n\
                 require_certificate = no\nprivate_key = {shown}/key.pem\n\
                 certificate = {shown}/certificate.pem\n[client:default]\n\
                 verify_certificate = no\n"
            ),
        )?;
        let kamailio = Self { folder, issuer, plain, tls, running: None, starts: 0 };
        kamailio.write_certificate()?;
        Ok(kamailio)
    }

    /// The authority that its certificates are of.
    pub(super) fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    fn write_certificate(&self) -> Result<()> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![DOMAIN.to_owned()])?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        fs::write(self.folder.join("key.pem"), key.serialize_pem())?;
        Ok(fs::write(self.folder.join("certificate.pem"), certificate.pem())?)
    }

    /// Starts it; it knows nobody.
    pub(super) fn start(&mut self) -> Result<()> {
        self.starts += 1;
        let at = |by: &str, at: SocketAddr| format!("AT_{}={by}:{at}", by.to_uppercase());
        let file = |name: &str, file: String| format!("{name}=\"{file}\"");
        let tls = file("TLSCFG", self.folder.join("tls.cfg").display().to_string());
        let definitions = [
            at("udp", self.plain),
            at("tcp", self.plain),
            at("tls", self.tls),
            tls,
            file("CTL", self.control()),
        ];
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/kamailio/kamailio.cfg");
        let mut command = Command::new("kamailio");
        command.current_dir(&self.folder).arg("-f").arg(config).args(["-DD", "-E"]);
        command.args(["-m", "32", "-M", "4", "-w"]).arg(&self.folder);
        command.arg("-Y").arg(&self.folder).process_group(0);
        for definition in &definitions {
            command.args(["-A", definition]);
        }
        let mut running = Running::start("kamailio", &mut command, &self.log())?;
        child::until(PATIENCE, "kamailio", || {
            ensure!(running.is_up(), "kamailio ended: see its log");
            Ok(self.ask(&["core.uptime"]).is_ok().then_some(()))
        })?;
        self.running = Some(running);
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.folder.join(format!("kamailio-{}.log", self.starts))
    }

    fn control(&self) -> String {
        // A path of a socket is short, that of a test's folder may be long.
        format!("unix:/tmp/partyline-interop-{}-{}.ctl", std::process::id(), self.plain.port())
    }

    fn ask(&self, words: &[&str]) -> Result<()> {
        let done = Command::new("kamcmd").arg("-s").arg(self.control()).args(words).output()?;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        ensure!(done.status.success() && !said.starts_with("error"), "kamcmd {words:?}: {said}");
        Ok(())
    }

    /// Gives an account a password.
    pub(super) fn set_password(&self, account: &str, password: &str) -> Result<()> {
        self.ask(&["htable.sets", "passwords", &format!("s:{account}"), &format!("s:{password}")])
    }

    /// Says which account has a number.
    pub(super) fn set_number(&self, number: &str, account: &str) -> Result<()> {
        self.ask(&["htable.sets", "numbers", &format!("s:{number}"), &format!("s:{account}")])
    }

    /// Takes another certificate into use, of the same authority.
    pub(super) fn renew_certificate(&self) -> Result<()> {
        self.write_certificate()?;
        self.ask(&["tls.reload"])
    }

    /// Sends a signal to all of its processes.
    fn signal(&self, signal: &str) -> Result<()> {
        let id = self.running.as_ref().context("kamailio does not run")?.id();
        // Signals need unsafe code or a program; every Debian has this one.
        let script = format!("kill -{signal} -{id}");
        let sent = Command::new("/bin/sh").args(["-c", &script]).status()?;
        ensure!(sent.success(), "cannot signal kamailio");
        Ok(())
    }

    /// Stops it in the middle of whatever it does; it neither answers nor hangs up.
    pub(super) fn freeze(&self) -> Result<()> {
        self.signal("STOP")
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.signal("KILL")?;
        self.running = None;
        Ok(())
    }

    /// How many lines of its logs have `word` in them.
    pub(super) fn said(&self, word: &str) -> Result<usize> {
        let logs = (1..=self.starts).map(|start| format!("kamailio-{start}.log"));
        let logs = logs.map(|log| fs::read_to_string(self.folder.join(log)));
        let logs = logs.collect::<Result<Vec<_>, _>>()?;
        Ok(logs.iter().flat_map(|log| log.lines()).filter(|line| line.contains(word)).count())
    }

    /// Fails when it refused a request within a call, because it came by another way than its own.
    pub(super) fn check(&self) -> Result<()> {
        let strays = self.said("STRAY")?;
        ensure!(strays == 0, "{strays} requests within calls came by no route: see its log");
        Ok(())
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Ended already, or never there, where these fail.
        self.signal("KILL").unwrap_or_default();
        fs::remove_file(self.control().trim_start_matches("unix:")).unwrap_or_default();
    }
}
