//! Certificates of carriers, fetched over https: one task for each, and no thread waits for it.
//!
//! Who says where they are is a stranger, so that the address is looked at before anybody is asked: a
//! network of one's own, where something may answer that nobody else is to reach, is not. The hosts are
//! listed; that is the node's to see to, as are the number of fetches and what is kept. No redirection
//! is followed.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{ACCEPT, CACHE_CONTROL, HOST};
use axum::http::{Request, Response, StatusCode};
use hickory_resolver::TokioResolver;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use partyline_stir::{FetchFault, Fetched, Place};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long a fetch may take, from the name to the last octet.
const LONGEST: Duration = Duration::from_secs(2);
/// How long one address may take to be connected to, when there are others.
const ONE_ADDRESS: Duration = Duration::from_millis(700);
/// The most octets of a certificate with its way to an authority.
const MOST_OCTETS: usize = 16 * 1024;
/// The most octets of a response's head.
const MOST_HEAD: usize = 16 * 1024;
/// Addresses of a host that are tried.
const MOST_ADDRESSES: usize = 3;
/// What was found and waits for the control task.
const WAITING: usize = 16;

/// What was found at a place.
pub(super) type Found = (Place, Result<Fetched, FetchFault>);

/// The control task's end.
pub(super) struct Fetcher {
    tools: Option<Arc<Tools>>,
    found: mpsc::Sender<Found>,
}

struct Tools {
    resolver: TokioResolver,
    tls: Arc<ClientConfig>,
    /// Whether this machine itself may be asked, as tests do.
    allow_loopback: bool,
}

impl Fetcher {
    /// A fetcher that asks through `resolver` and believes whom `tls` does; without both everybody is
    /// silent.
    pub(super) fn new(
        resolver: Option<TokioResolver>,
        tls: Option<Arc<ClientConfig>>,
        allow_loopback: bool,
    ) -> (Self, mpsc::Receiver<Found>) {
        let (found, inbox) = mpsc::channel(WAITING);
        let tools = resolver.zip(tls);
        let tools = tools.map(|(resolver, tls)| Arc::new(Tools { resolver, tls, allow_loopback }));
        (Self { tools, found }, inbox)
    }

    /// Fetches what is at `place`; what was found comes over the channel, whatever it is.
    pub(super) fn fetch(&self, place: Place) {
        let (tools, found) = (self.tools.clone(), self.found.clone());
        tokio::spawn(async move {
            let fetched = match tools {
                Some(tools) => {
                    let fetched = timeout(LONGEST, tools.fetch(&place)).await;
                    fetched.unwrap_or(Err(FetchFault::Silent))
                }
                None => Err(FetchFault::Silent),
            };
            if found.send((place, fetched)).await.is_err() {
                tracing::debug!("nobody waits for the certificate any more");
            }
        });
    }
}

impl Tools {
    async fn fetch(&self, place: &Place) -> Result<Fetched, FetchFault> {
        let name = ServerName::try_from(place.host().to_owned());
        let name = name.map_err(|_| FetchFault::NoAddress)?;
        let stream = self.connect(place).await?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(name, stream).await.map_err(|_| FetchFault::Tls)?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MOST_HEAD);
        let shaken = builder.handshake::<_, axum::body::Body>(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|_| FetchFault::Silent)?;
        let request = Request::get(place.target())
            .header(HOST, host(place))
            .header(ACCEPT, "application/pem-certificate-chain, application/x-pem-file, */*")
            .body(axum::body::Body::empty())
            .map_err(|_| FetchFault::Silent)?;
        // Both in this task: when time is up, both end.
        let exchange = async {
            let response = sender.send_request(request).await;
            read(response.map_err(|_| FetchFault::Silent)?).await
        };
        tokio::pin!(exchange);
        tokio::select! {
            biased;
            fetched = &mut exchange => fetched,
            // A server that is done may close at once: what it has sent is there.
            _ = connection => exchange.await,
        }
    }

    async fn connect(&self, place: &Place) -> Result<TcpStream, FetchFault> {
        let addresses: Vec<IpAddr> = match place.host().parse() {
            Ok(address) => vec![address],
            Err(_) => {
                let found = self.resolver.lookup_ip(format!("{}.", place.host())).await;
                found.map_err(|_| FetchFault::NoAddress)?.iter().collect()
            }
        };
        if addresses.is_empty() {
            return Err(FetchFault::NoAddress);
        }
        let may_ask = |ip: &IpAddr| is_public(*ip) || self.allow_loopback && ip.is_loopback();
        let public: Vec<IpAddr> = addresses.into_iter().filter(may_ask).collect();
        if public.is_empty() {
            return Err(FetchFault::Private);
        }
        for ip in public.into_iter().take(MOST_ADDRESSES) {
            let connected = TcpStream::connect(SocketAddr::new(ip, place.port()));
            if let Ok(Ok(stream)) = timeout(ONE_ADDRESS, connected).await {
                return Ok(stream);
            }
        }
        Err(FetchFault::Silent)
    }
}

fn host(place: &Place) -> String {
    match place.port() {
        443 => place.host().to_owned(),
        port => format!("{}:{port}", place.host()),
    }
}

async fn read(response: Response<Incoming>) -> Result<Fetched, FetchFault> {
    if response.status() != StatusCode::OK {
        return Err(fault_of(response.status()));
    }
    let max_age = response.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok());
    let max_age = max_age.and_then(max_age_of);
    let mut body = response.into_body();
    let mut pem = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| FetchFault::Silent)?;
        let Some(octets) = frame.data_ref() else { continue };
        if pem.len() + octets.len() > MOST_OCTETS {
            return Err(FetchFault::TooLarge);
        }
        pem.extend_from_slice(octets);
    }
    Ok(Fetched { pem, max_age })
}

/// What a status says that brings no certificate: that there is none, or that it may be had later.
fn fault_of(status: StatusCode) -> FetchFault {
    let is_for_now = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if (300..500).contains(&status.as_u16()) && !is_for_now {
        FetchFault::NotThere
    } else {
        FetchFault::Status
    }
}

/// How long Cache-Control lets something be kept (RFC 9111 §5.2.2).
fn max_age_of(value: &str) -> Option<Duration> {
    let mut directives = value.split(',').map(str::trim);
    if directives.clone().any(|one| one.eq_ignore_ascii_case("no-store")) {
        return Some(Duration::ZERO);
    }
    let seconds = directives.find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| value.trim_matches('"').parse().ok())?
    });
    seconds.map(Duration::from_secs)
}

/// Whether an address is one of the Internet (RFC 6890), where nobody is asked who would answer this
/// machine and not others.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let protocols = a == 192 && b == 0 && c == 0 || a == 192 && b == 88 && c == 99;
    let benchmarks = a == 198 && (b == 18 || b == 19);
    let own = ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared;
    let nobodys = a == 0 || a >= 224 || ip.is_documentation() || protocols || benchmarks;
    !own && !nobodys
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(v4) = ip.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    let [first, second, .., high, low] = ip.segments();
    // NAT64 (RFC 6052) leads to an address of IPv4.
    if first == 0x64 && second == 0xff9b {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        return ip.segments()[2..6] == [0; 4] && is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Of what is assigned (2000::/3): not Teredo, not 6to4, not documentation.
    let special = first == 0x2001 && (second < 0x200 || second == 0xdb8)
        || first == 0x2002
        || first == 0x3fff && second < 0x1000;
    first & 0xe000 == 0x2000 && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_asked_whom_only_this_machine_or_its_neighbours_reach() {
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "198.18.0.1",
            "192.0.0.8",
            "240.0.0.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:db8::1",
            "2001::1",
            "fec0::1",
            "::127.0.0.1",
            "64:ff9b:1::a00:1",
            "3fff::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2001:4860::8888",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_place_that_has_no_certificate_is_told_from_one_that_is_ill() {
        for status in [301, 302, 401, 403, 404, 410] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(fault_of(status), FetchFault::NotThere, "{status}");
        }
        for status in [204, 206, 408, 429, 500, 502, 503, 599] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(fault_of(status), FetchFault::Status, "{status}");
        }
    }

    #[test]
    fn a_place_says_how_long_its_certificate_holds() {
        for (value, expected) in [
            ("max-age=3600", Some(3600)),
            ("public, Max-Age=\"60\", immutable", Some(60)),
            ("no-store, max-age=60", Some(0)),
            ("no-cache", None),
            ("max-age=x", None),
            ("max-age=99999999999999999999", None),
        ] {
            assert_eq!(max_age_of(value), expected.map(Duration::from_secs), "{value}");
        }
    }
}
