//! Where a run happens: its folder, its loopback network, and a bridge with a conference.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use bridge_tests::real::bridge::{Network, Options, Setup};

/// The number to dial.
pub(crate) const DIAL_IN: &str = "14165550100";
/// Opens the conference for its moderator. No digit follows itself: a repeated signal of one key
/// press and two presses of it cannot be taken for each other.
pub(crate) const MODERATOR: &str = "58204617";
/// Opens it for the others.
pub(crate) const PARTICIPANT: &str = "91736428";
/// Callers hear each other without waiting for the moderator.
const DIRECTORY: &str = "\
kind,name,account,number,starts_with,moderator,participant
account,Interop,,,,,
dial_in,,,14165550100,,,
conference,Interop,Interop,,first_caller,58204617,91736428
";

/// Where a run happens.
pub(crate) struct Place {
    folder: PathBuf,
    target: PathBuf,
    /// The bridge.
    pub(crate) bridge: Setup,
    /// The address of all phones.
    pub(crate) phones: IpAddr,
}

impl Place {
    /// Makes the folder and fills the bridge's directory.
    pub(crate) fn new() -> Result<Self> {
        let program = std::env::current_exe()?;
        let target = program.ancestors().nth(2).context("not in a target folder")?.to_owned();
        let folder = target.join(format!("interop-{}", std::process::id()));
        let network = Network::own();
        // baresip binds its media to no address: on loopback it then comes from the first one.
        let media_sources = Some("127.0.0.1/32");
        let options = Options { log: "info", trunk: None, media_sources };
        let bridge = Setup::new(&folder, network, &options)?;
        let directory = folder.join("directory.csv");
        fs::write(&directory, DIRECTORY)?;
        bridge.run(&["import", &directory.display().to_string()])?;
        Ok(Self { folder, target, bridge, phones: network.phones().into() })
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
        let free = |port: u16| {
            let address = SocketAddr::new(self.phones, port);
            UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok()
        };
        for _ in 0..100 {
            let first = UdpSocket::bind((self.phones, 0))?.local_addr()?.port();
            let Some(last) = first.checked_add(also) else { continue };
            if (first..=last).all(free) {
                return Ok(first);
            }
        }
        bail!("no free ports on {}", self.phones)
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
