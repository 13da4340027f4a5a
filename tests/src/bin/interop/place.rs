//! Where a run happens: its folder, its loopback network, and a bridge with a conference.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bridge_tests::real::bridge::{self, Network, Setup};
use rcgen::{CertificateParams, KeyPair};

use crate::child;

/// The number to dial.
pub(crate) const DIAL_IN: &str = "14165550100";
/// Opens the conference for its moderator. No digit follows itself: a repeated signal of one key
/// press and two presses of it cannot be taken for each other.
pub(crate) const MODERATOR: &str = "58204617";
/// Opens it for the others.
pub(crate) const PARTICIPANT: &str = "91736428";
/// The bridge looks at its certificate once a second.
const RENEWAL: Duration = Duration::from_secs(10);
/// Callers hear each other without waiting for the moderator.
const DIRECTORY: &str = "\
kind,name,account,number,starts_with,moderator,participant,dial_out
account,Interop,,,,,,1416
dial_in,,,14165550100,,,,
conference,Interop,Interop,,first_caller,58204617,91736428,
";

/// Where a run happens.
pub(crate) struct Place {
    folder: PathBuf,
    target: PathBuf,
    /// The bridge.
    pub(crate) bridge: Setup,
    /// Where the bridge takes calls by TLS. By UDP and TCP it takes them at its one address.
    pub(crate) tls: SocketAddr,
    /// The address of all phones.
    pub(crate) phones: IpAddr,
    /// The addresses of a carrier and of a second bridge.
    pub(crate) carrier: Ipv4Addr,
    pub(crate) second: Ipv4Addr,
}

impl Place {
    /// Makes the folder and fills the bridge's directory.
    pub(crate) fn new() -> Result<Self> {
        let program = std::env::current_exe()?;
        let target = program.ancestors().nth(2).context("not in a target folder")?.to_owned();
        let folder = target.join(format!("interop-{}", std::process::id()));
        let network = Network::own();
        let ip = network.bridge();
        let tls = TcpListener::bind((ip, 0))?.local_addr()?;
        let program = bridge::program()?;
        let bridge = Setup::configured(&folder, ip, program, |setup| toml(setup, tls))?;
        write_certificate(&folder, ip)?;
        fill(&bridge)?;
        let (phones, carrier) = (network.phones().into(), network.carrier());
        let second = network.second_bridge();
        Ok(Self { folder, target, bridge, tls, phones, carrier, second })
    }

    /// A new folder for what one case leaves.
    pub(crate) fn folder(&self, case: &str) -> Result<PathBuf> {
        let folder = self.folder.join(case);
        fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// A port of the phones' address that nobody has over UDP or TCP, like the `also` ports after
    /// it. Another program may take it before it is used, which is rare on this network.
    pub(crate) fn port(&self, also: u16) -> Result<u16> {
        free(self.phones, also)
    }

    /// Gives the bridge another certificate, and waits until it says that it has it.
    ///
    /// # Errors
    /// It does not, or the files cannot be written.
    pub(crate) fn renew_certificate(&self) -> Result<()> {
        let renewals = || -> Result<usize> {
            Ok(fs::read_to_string(self.bridge.log())?.matches("certificates were renewed").count())
        };
        let before = renewals()?;
        let IpAddr::V4(ip) = self.tls.ip() else { bail!("the bridge is at {}", self.tls) };
        write_certificate(&self.folder, ip)?;
        child::until(RENEWAL, "renewed certificate", || Ok((renewals()? > before).then_some(())))
    }

    /// Removes everything.
    pub(crate) fn remove(self) -> Result<()> {
        Ok(fs::remove_dir_all(self.folder)?)
    }

    /// Moves everything to where it stays until the next failure.
    pub(crate) fn keep(self) -> Result<PathBuf> {
        let kept = self.target.join("interop-failed");
        match fs::remove_dir_all(&kept) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        fs::rename(&self.folder, &kept)?;
        Ok(kept)
    }
}

/// A port of `ip` that nobody has over UDP or TCP, like the `also` ports after it.
pub(crate) fn free(ip: IpAddr, also: u16) -> Result<u16> {
    let free = |port: u16| {
        let address = SocketAddr::new(ip, port);
        UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok()
    };
    for _ in 0..100 {
        let first = UdpSocket::bind((ip, 0))?.local_addr()?.port();
        let Some(last) = first.checked_add(also) else { continue };
        if (first..=last).all(free) {
            return Ok(first);
        }
    }
    bail!("no free ports on {ip}")
}

/// Gives a bridge its conference.
pub(crate) fn fill(bridge: &Setup) -> Result<()> {
    let directory = bridge.folder().join("directory.csv");
    fs::write(&directory, DIRECTORY)?;
    bridge.run(&["import", &directory.display().to_string()]).map(drop)
}

/// The bridge by UDP, TCP and TLS.
fn toml(setup: &Setup, tls: SocketAddr) -> String {
    let (sip, folder) = (setup.sip(), setup.folder().display());
    // baresip binds its media to no address: on loopback it then comes from the first one.
    format!(
        "[data]\ndir = \"{data}\"\n\n[sip]\nlisten = [\"{sip}\"]\ntcp = [\"{sip}\"]\n\
         tls = [\"{tls}\"]\ncertificate = \"{folder}/certificate.pem\"\n\
         key = \"{folder}/key.pem\"\n\n[media]\naddress = \"{ip}\"\n\n\
         [http]\nlisten = \"{http}\"\n\n[log]\nfilter = \"info\"\n\n\
         [[trunk]]\nname = \"loopback\"\nsources = [\"127.0.0.0/8\"]\nkind = \"carrier\"\n\
         trusted = true\nsrtp = \"preferred\"\nmedia_sources = [\"127.0.0.1/32\"]\n",
        data = setup.data().display(),
        ip = sip.ip(),
        http = setup.http(),
    )
}

/// A new certificate for `ip`, signed by its own key, as an operator would put it there: the key
/// first, each file whole.
pub(crate) fn write_certificate(folder: &Path, ip: Ipv4Addr) -> Result<()> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![ip.to_string()])?.self_signed(&key)?;
    for (name, text) in [("key.pem", key.serialize_pem()), ("certificate.pem", certificate.pem())] {
        let new = folder.join(format!("{name}.new"));
        fs::write(&new, text)?;
        fs::rename(new, folder.join(name))?;
    }
    Ok(())
}
