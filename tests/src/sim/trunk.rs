//! The far end of a trunk, as far as it registers us and answers OPTIONS. It reads and writes SIP by
//! itself, as plain text.

use std::time::Duration;

use partyline_sip::ConnectionId;

/// What becomes of REGISTER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registers {
    /// Nobody answers.
    Silent,
    /// A binding for so many seconds, to whoever shows credentials; others are asked for them.
    Grants(u32),
    /// Whoever comes is asked for credentials, which are never right.
    Asks,
    /// This status and nothing else.
    Refuses(u16),
}

/// What becomes of OPTIONS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pings {
    /// Nobody answers.
    Silent,
    /// This status.
    Answers(u16),
}

/// A REGISTER or an OPTIONS that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When.
    pub at: Duration,
    /// The whole of it.
    pub text: String,
}

impl Asked {
    /// The value of a header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| line.split_once(':').is_some_and(|(known, _)| known == name);
        let line = self.text.split("\r\n").find(|line| of(line))?;
        line.split_once(':').map(|(_, value)| value.trim())
    }

    /// The user part of the Contact.
    pub fn contact_user(&self) -> Option<&str> {
        let (_, uri) = self.header("Contact")?.split_once("sip:")?;
        uri.split_once('@').map(|(user, _)| user)
    }
}

/// The far end of a trunk.
#[derive(Clone, Debug)]
pub struct FarEnd {
    /// What becomes of REGISTER.
    pub registers: Registers,
    /// What becomes of OPTIONS.
    pub pings: Pings,
    /// Headers of a 200 to REGISTER.
    pub headers: String,
    /// Whether no connection can be opened to it.
    pub shut: bool,
    /// The connection that there is, for trunks that are reached by one.
    pub connection: Option<ConnectionId>,
    /// What came, in order.
    pub asked: Vec<Asked>,
}

impl FarEnd {
    /// A far end that answers so.
    pub fn new(registers: Registers, pings: Pings) -> Self {
        Self {
            registers,
            pings,
            headers: String::new(),
            shut: false,
            connection: None,
            asked: Vec::new(),
        }
    }

    /// The REGISTERs that came.
    pub fn registered(&self) -> Vec<&Asked> {
        self.asked.iter().filter(|asked| asked.text.starts_with("REGISTER ")).collect()
    }

    /// The OPTIONS that came.
    pub fn pinged(&self) -> Vec<&Asked> {
        self.asked.iter().filter(|asked| asked.text.starts_with("OPTIONS ")).collect()
    }

    /// The answer to a datagram; `None` where it is none of those requests, or nobody answers.
    pub(super) fn answer(&mut self, now: Duration, bytes: &[u8]) -> Option<Vec<u8>> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let pings = text.starts_with("OPTIONS ");
        if !pings && !text.starts_with("REGISTER ") {
            return None;
        }
        let asked = Asked { at: now, text };
        let answer = if pings { self.to_options() } else { self.to_register(&asked) };
        let repeated = ["Via", "From", "To", "Call-ID", "CSeq"].iter().map(|name| {
            let tag = if *name == "To" { ";tag=far" } else { "" };
            format!("{name}: {}{tag}\r\n", asked.header(name).unwrap_or_default())
        });
        let repeated: String = repeated.collect();
        self.asked.push(asked);
        let (status, more) = answer?;
        let length = "Content-Length: 0\r\n\r\n";
        Some(format!("SIP/2.0 {status} Far End\r\n{repeated}{more}{length}").into_bytes())
    }

    fn to_options(&self) -> Option<(u16, String)> {
        match self.pings {
            Pings::Silent => None,
            Pings::Answers(status) => Some((status, String::new())),
        }
    }

    fn to_register(&self, asked: &Asked) -> Option<(u16, String)> {
        let nonce = self.asked.len();
        let ask =
            format!("WWW-Authenticate: Digest realm=\"far\", nonce=\"n{nonce}\", qop=\"auth\"\r\n");
        match self.registers {
            Registers::Silent => None,
            Registers::Asks => Some((401, ask)),
            Registers::Grants(_) if asked.header("Authorization").is_none() => Some((401, ask)),
            Registers::Grants(seconds) => {
                let contact = asked.header("Contact").unwrap_or_default();
                let ends = asked.header("Expires") == Some("0");
                let seconds = if ends { 0 } else { seconds };
                let granted = format!("Contact: {contact};expires={seconds}\r\n");
                Some((200, format!("{granted}{}", self.headers)))
            }
            Registers::Refuses(status) => Some((status, String::new())),
        }
    }
}
