//! The least that a request and its answer cost here: datagrams that are sent back as they came.

use std::io::{BufRead, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

/// Sends every datagram back, until nothing came for ten seconds.
pub(crate) fn run() -> Result<ExitCode> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", socket.local_addr()?)?;
    out.flush()?;
    let mut buffer = [0; 65_535];
    while let Ok((length, source)) = socket.recv_from(&mut buffer) {
        socket.send_to(&buffer[..length], source)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// An echo in a process of its own; killed when dropped.
pub(crate) struct Echo {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Echo {
    pub(crate) fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("echo")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the echo")?;
        let out = child.stdout.take().context("the echo has no output")?;
        let mut line = String::new();
        std::io::BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().parse().context("the echo gave no address")?;
        Ok(Self { child, address })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // Ended already where this fails.
        if self.child.kill().is_ok() {
            self.child.wait().map(drop).unwrap_or_default();
        }
    }
}
