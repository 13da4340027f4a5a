//! A client of the control socket.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use partyline_live::{Command, Hello, Line, Request, Response, VERSION};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::config::Config;
use crate::serve::{LIVE, SocketPath};

/// A bridge that answers takes a moment.
const LONGEST: Duration = Duration::from_secs(8);
/// The longest line that is read, in octets: a conference has no more than some thousand legs.
const LONGEST_LINE: u64 = 16 << 20;

pub(super) struct Client {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    asked: u64,
}

impl Client {
    /// The bridge that runs on the configured data folder.
    ///
    /// # Errors
    /// None runs there, or it speaks another version.
    pub(super) async fn connect(config: &Config) -> anyhow::Result<Self> {
        let data = config.data_dir.display();
        let stream =
            SocketPath::named(&config.data_dir, LIVE)?.connect().await.with_context(|| {
                format!(
                    "no bridge answers for the data folder {data}: is one running, with the same \
                 --config and --data, as a user whose files you may read?"
                )
            })?;
        let (read, write) = stream.into_split();
        let mut client = Self { read: BufReader::new(read), write, asked: 0 };
        let hello = timeout(LONGEST, client.line()).await.context("the bridge says nothing")??;
        match serde_json::from_str::<Hello>(&hello) {
            Ok(hello) => ensure!(
                hello.partyline == VERSION,
                "the bridge speaks version {} of the control interface, and this program {VERSION}",
                hello.partyline
            ),
            Err(_) => match serde_json::from_str::<Line>(&hello) {
                Ok(Line::End { end }) => bail!("{} ({})", end.detail, end.code),
                Ok(_) | Err(_) => bail!("what answers for the data folder {data} is no bridge"),
            },
        }
        Ok(client)
    }

    /// What the bridge says to a command.
    ///
    /// # Errors
    /// It refuses, and says why.
    pub(super) async fn ask(&mut self, command: Command) -> anyhow::Result<Value> {
        self.asked += 1;
        let asked = self.asked;
        let line = Request { id: asked, command }.line() + "\n";
        let exchange = async {
            self.write.write_all(line.as_bytes()).await?;
            loop {
                match self.next().await? {
                    Line::Response(Response::Ok { id, ok }) if id == asked => return Ok(ok),
                    Line::Response(Response::Error { error, .. }) => {
                        bail!("{} ({})", error.detail, error.code)
                    }
                    Line::End { end } => bail!("{} ({})", end.detail, end.code),
                    Line::Response(Response::Ok { .. }) | Line::Event { .. } => {}
                }
            }
        };
        timeout(LONGEST, exchange).await.context("the bridge does not answer")?
    }

    /// The next line of the bridge.
    ///
    /// # Errors
    /// There is none any more, or it is none that this program understands.
    pub(super) async fn next(&mut self) -> anyhow::Result<Line> {
        let line = self.line().await?;
        serde_json::from_str(&line).context("the bridge says what this program does not understand")
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let read = (&mut self.read).take(LONGEST_LINE).read_line(&mut line).await?;
        ensure!(read > 0, "the bridge has closed the connection");
        Ok(line)
    }
}
