//! A trunk provider over UDP, as small as a newcomer's first hour needs: it registers one user by
//! digest, answers OPTIONS, places a call, keys digits in it by INFO, and takes calls. Its name server
//! knows its one address.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use md5::{Digest, Md5};

const NONCE: &str = "f00";
const REALM: &str = "sip.example.net";
/// Where its name server is; others have the usual port.
pub(crate) const DNS_PORT: u16 = 24_053;
/// The longest wait for an answer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the provider hears.
enum Heard {
    /// The Contact of a registration, and where it came from.
    Registered(String, SocketAddr),
    /// The Request-URI of a call that it took.
    Called(String),
    /// A response to a request of its own.
    Response(String),
}

/// The provider, whose socket a thread reads.
pub(crate) struct Provider {
    socket: UdpSocket,
    heard: Receiver<Heard>,
    called: Vec<String>,
    registered: Option<(String, SocketAddr)>,
    call: Option<Call>,
}

/// A call that it placed.
struct Call {
    to: SocketAddr,
    target: String,
    from: String,
    to_header: String,
    cseq: u32,
}

/// The first value of a header.
fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Whether the response is that of the user with the password (RFC 2617 §3.2.2, with or without qop).
fn is_right(request: &str, (user, password): (&str, &str)) -> bool {
    let Some(given) = header(request, "Authorization") else { return false };
    let part = |name: &str| {
        let mut parts = given.trim_start_matches("Digest ").split(',').map(str::trim);
        let value = parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().trim_matches('"').to_owned()
    };
    let secret = md5(&format!("{user}:{REALM}:{password}"));
    let request = md5(&format!("REGISTER:{}", part("uri")));
    let between = match part("qop").as_str() {
        "" => NONCE.to_owned(),
        qop => format!("{NONCE}:{}:{}:{qop}", part("nc"), part("cnonce")),
    };
    part("username") == user && part("response") == md5(&format!("{secret}:{between}:{request}"))
}

/// A response to `request`, with more lines.
fn response(request: &str, status: &str, more: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in request.lines() {
        let name = line.split(':').next().unwrap_or_default();
        let tag = if name == "To" && !line.contains(";tag=") { ";tag=there" } else { "" };
        if ["Via", "From", "To", "Call-ID", "CSeq"].contains(&name) {
            text += &format!("{line}{tag}\r\n");
        }
    }
    if !more.contains("\r\n\r\n") {
        return text + more + "Content-Length: 0\r\n\r\n";
    }
    text + more
}

fn with_description(ip: Ipv4Addr) -> String {
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
    );
    format!(
        "Contact: <sip:there@{ip}:5060>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

/// What the provider answers, and what it tells of it.
fn answer(
    request: &str,
    from: SocketAddr,
    ip: Ipv4Addr,
    login: (&str, &str),
) -> (Vec<String>, Option<Heard>) {
    let line = request.lines().next().unwrap_or_default();
    match line.split(' ').next().unwrap_or_default() {
        "ACK" => (Vec::new(), None),
        "REGISTER" if header(request, "Authorization").is_none() => {
            let asks = format!(
                "WWW-Authenticate: Digest realm=\"{REALM}\", nonce=\"{NONCE}\", qop=\"auth\"\r\n"
            );
            (vec![response(request, "401 Unauthorized", &asks)], None)
        }
        "REGISTER" if is_right(request, login) => {
            let contact = header(request, "Contact").unwrap_or_default().to_owned();
            let uri = contact.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            let more = format!("Contact: <{uri}>;expires=600\r\n");
            (vec![response(request, "200 OK", &more)], Some(Heard::Registered(uri, from)))
        }
        "REGISTER" => (vec![response(request, "403 Forbidden", "")], None),
        "INVITE" => {
            let uri = line.split(' ').nth(1).unwrap_or_default().to_owned();
            let answers = vec![
                response(request, "180 Ringing", ""),
                response(request, "200 OK", &with_description(ip)),
            ];
            (answers, Some(Heard::Called(uri)))
        }
        _ => (vec![response(request, "200 OK", "")], None),
    }
}

/// The answer of a name server that knows [`REALM`] to be at `ip`, and nothing else of it
/// (RFC 1035 §4).
fn resolve(query: &[u8], ip: Ipv4Addr) -> Option<Vec<u8>> {
    let (head, question) = query.split_at_checked(12)?;
    let mut labels = Vec::new();
    let mut rest = question;
    loop {
        let (length, more) = rest.split_first()?;
        let (label, after) = more.split_at_checked(usize::from(*length))?;
        rest = after;
        if label.is_empty() {
            break;
        }
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
    }
    let (kind, _) = rest.split_at_checked(4)?;
    let asked = question.get(..question.len() - rest.len() + 4)?;
    let is_known = labels.join(".") == REALM && kind == [0, 1, 0, 1];
    let mut answer = head.get(..2)?.to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_known), 0, 0, 0, 0]);
    answer.extend(asked);
    if is_known {
        answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(ip.octets());
    }
    Some(answer)
}

/// Answers questions for names until the test ends.
fn serve_names(ip: Ipv4Addr) {
    let socket = UdpSocket::bind((ip, DNS_PORT)).unwrap();
    thread::spawn(move || {
        let mut octets = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut octets) {
            if let Some(answer) = resolve(&octets[..length], ip) {
                socket.send_to(&answer, from).unwrap();
            }
        }
    });
}

impl Provider {
    /// Listens on port 5060 of `ip` for whoever has the login.
    pub(crate) fn start(ip: Ipv4Addr, login: (&'static str, &'static str)) -> Self {
        serve_names(ip);
        let socket = UdpSocket::bind((ip, 5060)).unwrap();
        let reading = socket.try_clone().unwrap();
        let (told, heard): (Sender<Heard>, _) = mpsc::channel();
        thread::spawn(move || {
            let mut octets = [0; 8192];
            while let Ok((length, from)) = reading.recv_from(&mut octets) {
                let text = String::from_utf8_lossy(&octets[..length]).into_owned();
                let news = if text.starts_with("SIP/2.0 ") {
                    Some(Heard::Response(text))
                } else {
                    let (answers, news) = answer(&text, from, ip, login);
                    for answer in answers {
                        reading.send_to(answer.as_bytes(), from).unwrap();
                    }
                    news
                };
                // The test has ended.
                if news.is_some_and(|news| told.send(news).is_err()) {
                    return;
                }
            }
        });
        Self { socket, heard, called: Vec::new(), registered: None, call: None }
    }

    /// Hears until `wanted` finds what it looks for.
    fn hear<T>(&mut self, what: &str, wanted: impl Fn(&Self, Option<&str>) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self, None) {
                return found;
            }
            match self.heard.recv_timeout(PATIENCE) {
                Ok(Heard::Registered(uri, from)) => self.registered = Some((uri, from)),
                Ok(Heard::Called(uri)) => self.called.push(uri),
                Ok(Heard::Response(text)) => {
                    if let Some(found) = wanted(self, Some(&text)) {
                        return found;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("the provider waits in vain for {what}")
                }
            }
        }
    }

    /// Sends a request of the call and hears its final response.
    fn request(&mut self, method: &str, more: &str) -> String {
        let call = self.call.as_mut().unwrap();
        call.cseq += 1;
        let ip = self.socket.local_addr().unwrap().ip();
        let Call { to, target, from, to_header, cseq } = call;
        let body = if more.contains("\r\n\r\n") { "" } else { "Content-Length: 0\r\n\r\n" };
        let text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {ip}:5060;branch=z9hG4bK{method}{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to_header}\r\nCall-ID: first-call\r\n\
             CSeq: {cseq} {method}\r\n{more}{body}"
        );
        let answers_to = format!("{cseq} {method}");
        self.socket.send_to(text.as_bytes(), *to).unwrap();
        if method == "ACK" {
            return String::new();
        }
        self.hear(&format!("an answer to {method}"), |_, response| {
            let of_it = |text: &&str| {
                header(text, "CSeq") == Some(answers_to.as_str()) && !text.starts_with("SIP/2.0 1")
            };
            response.filter(of_it).map(str::to_owned)
        })
    }

    /// Calls the registered bridge for `number`; it answers.
    pub(crate) fn call(&mut self, from: &str, number: &str) {
        let (target, to) = self.hear("a registration", |provider, _| provider.registered.clone());
        let (from, to_header) =
            (format!("<sip:{from}@{REALM}>;tag=there"), format!("<sip:{number}@{REALM}>"));
        self.call = Some(Call { to, target, from, to_header, cseq: 0 });
        let SocketAddr::V4(local) = self.socket.local_addr().unwrap() else { unreachable!() };
        let answered = self.request("INVITE", &with_description(*local.ip()));
        assert!(answered.starts_with("SIP/2.0 200"), "{answered}");
        let call = self.call.as_mut().unwrap();
        call.to_header = header(&answered, "To").unwrap().to_owned();
        let contact = header(&answered, "Contact").unwrap();
        call.target = contact.split(['<', '>']).nth(1).unwrap().to_owned();
        call.cseq -= 1;
        self.request("ACK", "");
    }

    /// Keys digits in the call.
    pub(crate) fn key(&mut self, digits: &str) {
        for digit in digits.chars() {
            let body = format!("Signal={digit}\r\nDuration=160\r\n");
            let more = format!(
                "Content-Type: application/dtmf-relay\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let answered = self.request("INFO", &more);
            assert!(answered.starts_with("SIP/2.0 200"), "{answered}");
        }
    }

    /// The Request-URI of the first call that came from the bridge.
    pub(crate) fn dialled(&mut self) -> String {
        self.hear("a call", |provider, _| provider.called.first().cloned())
    }

    /// Ends the call that it placed.
    pub(crate) fn hang_up(&mut self) {
        let answered = self.request("BYE", "");
        assert!(answered.starts_with("SIP/2.0 200"), "{answered}");
    }
}
