//! Certificates and TLS (RFC 5246, RFC 8446) through rustls with ring.
//!
//! The files are looked at again and again: a renewed certificate is used for the next handshake,
//! and connections that are up stay up. A file that cannot be used changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use partyline_sip::Flow;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, ServerConnection,
    SignatureScheme,
};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::config::{CertificateFiles, TlsFiles, TrunkTls};

/// A connection that was accepted, behind its handshake.
pub(super) type Accepted = server::TlsStream<TcpStream>;
/// A connection that the bridge opened, behind its handshake.
pub(super) type Connected = client::TlsStream<TcpStream>;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What the bridge proves itself with, and whom it believes.
pub(crate) struct Credentials {
    server: Option<Arc<ServerConfig>>,
    trunks: Vec<(TrunkTls, Arc<ClientConfig>)>,
    /// For far ends that are no trunk's destination.
    others: Arc<ClientConfig>,
}

impl Credentials {
    /// Reads all files.
    ///
    /// # Errors
    /// A file cannot be read, holds something else, or a key does not belong to its certificate.
    pub(crate) fn load(files: &TlsFiles) -> anyhow::Result<Self> {
        let own = files.server.as_ref().map(|server| &server.own);
        let system = if files.is_used() { system_roots() } else { RootCertStore::empty() };
        let system = Arc::new(system);
        let server = files.server.as_ref().map(|server| {
            let (chain, key) = read_pair(&server.own)?;
            server_config(chain, key, server.client_ca.as_deref())
                .with_context(|| format!("sip.certificate: {}", server.own.certificate.display()))
        });
        let trunk = |trunk: &TrunkTls| {
            let roots = match &trunk.ca {
                Some(ca) => Arc::new(read_roots(ca)?),
                None => Arc::clone(&system),
            };
            let config = client_config(roots, trunk.own.as_ref().or(own), trunk.verify)
                .with_context(|| format!("the certificate of the trunk {:?}", trunk.trunk))?;
            anyhow::Ok((trunk.clone(), config))
        };
        Ok(Self {
            server: server.transpose()?,
            trunks: files.trunks.iter().map(trunk).collect::<Result<_, _>>()?,
            others: client_config(system, own, true)?,
        })
    }

    /// What handshakes of clients are answered with.
    pub(super) fn server(&self) -> Option<Arc<ServerConfig>> {
        self.server.clone()
    }

    /// How to connect by `flow`, and whom the certificate of its far end has to name: the trunk that
    /// the flow is for, else the one that the file has at this address and port, else the one that
    /// is `known` by the address.
    pub(super) fn client(
        &self,
        flow: Flow,
        known: Option<u32>,
    ) -> (Arc<ClientConfig>, ServerName<'static>) {
        let called = |id: u32| self.trunks.iter().find(|(trunk, _)| trunk.id == id);
        let at = || self.trunks.iter().find(|(trunk, _)| trunk.addresses.contains(&flow.remote));
        let found = match flow.trunk {
            Some(id) => called(id),
            None => at().or_else(|| called(known?)),
        };
        let (name, config) = match found {
            Some((trunk, config)) => (trunk.name.clone(), config),
            None => (None, &self.others),
        };
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        (Arc::clone(config), name.unwrap_or_else(|| ServerName::from(flow.remote.ip())))
    }
}

/// How servers of the web are connected to: those that an authority of the machine vouches for.
pub(crate) fn web_client() -> anyhow::Result<Arc<ClientConfig>> {
    client_config(Arc::new(system_roots()), None, true)
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    client_ca: Option<&Path>,
) -> anyhow::Result<Arc<ServerConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match client_ca {
        Some(ca) => {
            let roots = Arc::new(read_roots(ca)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                .allow_unauthenticated()
                .build()?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(builder.with_single_cert(chain, key)?))
}

fn client_config(
    roots: Arc<RootCertStore>,
    own: Option<&CertificateFiles>,
    verify: bool,
) -> anyhow::Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = if verify {
        builder.with_root_certificates(roots)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    };
    Ok(Arc::new(match own {
        Some(own) => {
            let (chain, key) = read_pair(own)?;
            builder.with_client_auth_cert(chain, key)?
        }
        None => builder.with_no_client_auth(),
    }))
}

/// Believes every certificate, for trunks that say `tls_verify = false`; the handshake still has
/// to be signed with its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn read_pair(
    files: &CertificateFiles,
) -> anyhow::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = read_certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).with_context(|| {
        format!("{}: expected a private key in PEM, without a passphrase", files.key.display())
    })?;
    Ok((chain, key))
}

fn read_certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let expected = || format!("{}: expected certificates in PEM", file.display());
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect).with_context(expected)?;
    anyhow::ensure!(!chain.is_empty(), expected());
    Ok(chain)
}

fn read_roots(file: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(file)? {
        let refused = || format!("{}: a certificate cannot be a root", file.display());
        roots.add(certificate).with_context(refused)?;
    }
    Ok(roots)
}

/// The authorities that the machine trusts; what of them cannot be read is left out.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (taken, left_out) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(taken, left_out, "certificate authorities of the machine");
    roots
}

/// Answers a client's handshake; whom its certificate names.
pub(super) async fn accept(
    config: Arc<ServerConfig>,
    stream: TcpStream,
) -> std::io::Result<(Accepted, Vec<String>)> {
    let stream = TlsAcceptor::from(config).accept(stream).await?;
    let names = names(stream.get_ref().1);
    Ok((stream, names))
}

/// Shakes hands with a server, whose certificate has to name `name`.
pub(super) async fn connect(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    stream: TcpStream,
) -> anyhow::Result<Connected> {
    let shown = name.to_str().into_owned();
    let connected = TlsConnector::from(config).connect(name, stream).await;
    connected.with_context(|| format!("TLS with {shown}"))
}

/// The names in a client's certificate, which is verified: of hosts, and of SIP domains without
/// their scheme (RFC 5922 §7.1).
fn names(connection: &ServerConnection) -> Vec<String> {
    let certificate = connection.peer_certificates().and_then(<[_]>::first);
    let Some(certificate) = certificate.and_then(|c| webpki::EndEntityCert::try_from(c).ok())
    else {
        return Vec::new();
    };
    let domains = certificate.valid_uri_names().filter_map(|uri| {
        let (scheme, domain) = uri.split_once(':')?;
        let is_sip = scheme.eq_ignore_ascii_case("sip") && !domain.contains('@');
        is_sip.then_some(domain)
    });
    certificate.valid_dns_names().chain(domains).map(str::to_ascii_lowercase).collect()
}

/// What shows that a file has changed.
type Stamp = Vec<Option<(SystemTime, u64)>>;

fn stamp(paths: &[PathBuf]) -> Stamp {
    let of = |path: &PathBuf| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    paths.iter().map(of).collect()
}

/// Reads the files anew whenever one has changed, until nobody wants to know.
pub(super) async fn follow(files: TlsFiles, changed: watch::Sender<Arc<Credentials>>) {
    let paths = files.paths();
    let mut seen = stamp(&paths);
    while !paths.is_empty() && !changed.is_closed() {
        sleep(LOOK).await;
        let now = stamp(&paths);
        if now == seen {
            continue;
        }
        seen = now;
        match Credentials::load(&files) {
            Ok(credentials) => {
                tracing::info!("certificates were renewed; connections that are up stay");
                changed.send_replace(Arc::new(credentials));
            }
            Err(error) => tracing::warn!(
                "a renewed certificate cannot be used, the one before stays: {error:#}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use partyline_sip::Transport;
    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::config::ServerFiles;

    /// A folder with a certificate for `name` and its key.
    fn folder(name: &str) -> (tempfile::TempDir, CertificateFiles) {
        let folder = tempfile::tempdir().unwrap();
        let files = CertificateFiles {
            certificate: folder.path().join("certificate.pem"),
            key: folder.path().join("key.pem"),
        };
        renew(&files, name);
        (folder, files)
    }

    fn renew(files: &CertificateFiles, name: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
    }

    fn of(own: &CertificateFiles) -> TlsFiles {
        let server = Some(ServerFiles { own: own.clone(), client_ca: None });
        TlsFiles { server, trunks: Vec::new() }
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let (folder, own) = folder("bridge.example.com");
        assert!(Credentials::load(&of(&own)).unwrap().server().is_some());
        let fault = |own: &CertificateFiles| match Credentials::load(&of(own)) {
            Ok(_) => String::new(),
            Err(error) => format!("{error:#}"),
        };
        let missing = CertificateFiles { key: folder.path().join("no.pem"), ..own.clone() };
        assert!(fault(&missing).contains("no.pem: expected a private key"), "{}", fault(&missing));
        let (_other, other) = self::folder("other.example.com");
        let mixed = CertificateFiles { key: other.key, ..own.clone() };
        assert!(fault(&mixed).contains("certificate.pem"), "{}", fault(&mixed));
        std::fs::write(&own.certificate, "nothing").unwrap();
        assert!(fault(&own).contains("expected certificates"), "{}", fault(&own));
    }

    #[tokio::test]
    async fn a_trunk_is_known_by_its_certificate_and_others_are_turned_away() {
        let (_a, bridge) = folder("bridge.example.com");
        let (_b, carrier) = folder("sbc.example.com");
        let server =
            ServerFiles { own: bridge.clone(), client_ca: Some(carrier.certificate.clone()) };
        let ip: IpAddr = [127, 0, 0, 1].into();
        let trunk = TrunkTls {
            id: 1,
            trunk: "carrier".to_owned(),
            addresses: vec![SocketAddr::new(ip, 5061)],
            name: Some("bridge.example.com".to_owned()),
            own: Some(carrier.clone()),
            ca: Some(bridge.certificate.clone()),
            verify: true,
        };
        let shake = async |trunk: TrunkTls| {
            let files = TlsFiles { server: Some(server.clone()), trunks: vec![trunk] };
            let credentials = Credentials::load(&files).unwrap();
            let listener = tokio::net::TcpListener::bind((ip, 0)).await.unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (accepted, _) = listener.accept().await.unwrap();
            let flow = Flow::new(Transport::Tls, SocketAddr::new(ip, 5061));
            let (config, name) = credentials.client(flow, None);
            let server = credentials.server().unwrap();
            let (accepted, connected) =
                tokio::join!(accept(server, accepted), connect(config, name, stream));
            (accepted.map(|(_, names)| names).ok(), connected.is_ok())
        };
        let known = shake(trunk.clone()).await;
        assert_eq!(known, (Some(vec!["sbc.example.com".to_owned()]), true));
        let elsewhere = TrunkTls { name: Some("other.example.com".to_owned()), ..trunk.clone() };
        assert_eq!(shake(elsewhere.clone()).await, (None, false), "another name");
        let careless = TrunkTls { verify: false, ..elsewhere };
        assert!(shake(careless).await.1, "verified only when asked to");
        let (_c, stranger) = folder("sbc.example.com");
        let forged = TrunkTls { own: Some(stranger), ..trunk };
        assert_eq!(shake(forged).await.0, None, "a certificate that nobody vouches for");
    }

    #[test]
    fn trunks_of_one_address_are_told_apart_by_port_and_by_whose_call_it_is() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let trunk = |id, name: &str, addresses: &[&str]| TrunkTls {
            id,
            trunk: name.to_owned(),
            addresses: addresses.iter().map(|text| at(text)).collect(),
            name: Some(name.to_owned()),
            own: None,
            ca: None,
            verify: true,
        };
        let (first, same) = ("192.0.2.1:5061", "192.0.2.1:5071");
        let trunks = vec![
            trunk(1, "a.example", &[first]),
            trunk(2, "b.example", &[same]),
            trunk(3, "c.example", &[same]),
            trunk(4, "named.example", &[]),
        ];
        let credentials = Credentials::load(&TlsFiles { server: None, trunks }).unwrap();
        let name = |to: &str, of: Option<u32>, known: Option<u32>| {
            let flow = Flow::new(Transport::Tls, at(to)).of_trunk(of);
            credentials.client(flow, known).1.to_str().into_owned()
        };
        assert_eq!(name(first, None, None), "a.example");
        assert_eq!(name(same, None, Some(1)), "b.example");
        assert_eq!(name(same, Some(3), None), "c.example");
        assert_eq!(name("198.51.100.7:5061", Some(4), None), "named.example");
        assert_eq!(name("198.51.100.7:5061", None, Some(4)), "named.example");
        assert_eq!(name("198.51.100.7:5061", None, None), "198.51.100.7");
    }

    #[tokio::test]
    async fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
        let (_folder, own) = folder("bridge.example.com");
        let files = of(&own);
        let first = Arc::new(Credentials::load(&files).unwrap());
        let (changed, mut latest) = watch::channel(Arc::clone(&first));
        tokio::spawn(follow(files, changed));
        // The task has to have seen the files as they were.
        sleep(Duration::from_millis(100)).await;
        std::fs::write(&own.certificate, "half a file").unwrap();
        sleep(LOOK + Duration::from_millis(300)).await;
        assert!(!latest.has_changed().unwrap());
        renew(&own, "renewed.example.com");
        tokio::time::timeout(Duration::from_secs(5), latest.changed()).await.unwrap().unwrap();
        assert!(!Arc::ptr_eq(&first, &latest.borrow()));
    }
}
