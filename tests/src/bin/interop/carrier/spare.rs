//! The second trunk: an address of ours by UDP, that notes when it is called and is busy.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

/// A trunk that answers 486.
pub(super) struct Spare {
    pub(super) address: SocketAddr,
    calls: Receiver<(SystemTime, String)>,
}

impl Spare {
    /// One that listens until the program ends.
    pub(super) fn open(ip: IpAddr) -> Result<Self> {
        let socket = UdpSocket::bind((ip, 0))?;
        let address = socket.local_addr()?;
        let (told, calls) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let at = SystemTime::now();
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let Some(answer) = busy(&text) else { continue };
                let sent = socket.send_to(answer.as_bytes(), from).is_ok();
                if !sent || told.send((at, text)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { address, calls })
    }

    /// When it was called, for whom.
    pub(super) fn called(&self, within: Duration) -> Result<(SystemTime, String)> {
        let (at, invite) = self.calls.recv_timeout(within).context("the second trunk: no call")?;
        let number = invite.split(['@', ' ']).nth(1).unwrap_or_default();
        Ok((at, number.trim_start_matches("sip:").trim_start_matches('+').to_owned()))
    }
}

/// The response to an INVITE, and to nothing else.
fn busy(request: &str) -> Option<String> {
    request.starts_with("INVITE ").then_some(())?;
    let kept = request.lines().take_while(|line| !line.is_empty()).filter_map(|line| {
        let name = line.split(':').next()?;
        let tag = if name == "To" { ";tag=spare" } else { "" };
        ["Via", "From", "To", "Call-ID", "CSeq"].contains(&name).then(|| format!("{line}{tag}\r\n"))
    });
    let kept: String = kept.collect();
    Some(format!("SIP/2.0 486 Busy Here\r\n{kept}Content-Length: 0\r\n\r\n"))
}
