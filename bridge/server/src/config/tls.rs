//! Which files certificates and keys are in.

use std::net::SocketAddr;
use std::path::PathBuf;

use partyline_sip::Transport;

use super::place::RawPlace;
use super::raw::{RawConfig, RawTrunk};
use super::setting::ReadFile;

/// A certificate with its chain, and its key; both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// What those who connect are shown, and whose certificates of theirs are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerFiles {
    pub(crate) own: CertificateFiles,
    /// Authorities of clients; without them no client is asked for a certificate.
    pub(crate) client_ca: Option<PathBuf>,
}

/// How one trunk is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrunkTls {
    /// As records name the trunk.
    pub(crate) id: u32,
    /// The trunk's name.
    pub(crate) trunk: String,
    /// Where it is, as far as the file has addresses.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The host that the far end's certificate names; `None` for its address.
    pub(crate) name: Option<String>,
    /// What the bridge shows; `None` for what it shows everybody.
    pub(crate) own: Option<CertificateFiles>,
    /// Authorities of the far end; `None` for those of the machine.
    pub(crate) ca: Option<PathBuf>,
    /// Whether the far end's certificate is verified.
    pub(crate) verify: bool,
}

/// All files of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// `None` where no connection is taken with TLS.
    pub(crate) server: Option<ServerFiles>,
    /// The trunks whose calls out go by TLS.
    pub(crate) trunks: Vec<TrunkTls>,
}

impl TlsFiles {
    pub(super) fn of(raw: &RawConfig) -> Self {
        let streams = &raw.streams;
        let own = pair(streams.certificate.as_ref(), streams.key.as_ref());
        let client_ca = streams.client_ca.as_ref().map(|file| file.0.clone());
        let server = own.map(|own| ServerFiles { own, client_ca });
        let is_named = |trunk: &RawTrunk| trunk.places().any(|at| at.name().is_some());
        let by_tls = |(_, trunk): &(u32, &RawTrunk)| match trunk.transport.0 {
            Some(transport) => transport == Transport::Tls,
            None => is_named(trunk) && !streams.tls.is_empty(),
        };
        let trunk = |(id, trunk): (u32, &RawTrunk)| TrunkTls {
            id,
            trunk: trunk.name.clone(),
            addresses: trunk.places().filter_map(RawPlace::address).collect(),
            name: trunk.tls_name.clone().or_else(|| trunk.service_name()),
            own: pair(trunk.tls_certificate.as_ref(), trunk.tls_key.as_ref()),
            ca: trunk.tls_ca.as_ref().map(|file| file.0.clone()),
            verify: trunk.tls_verify.0,
        };
        Self { server, trunks: (1..).zip(&raw.trunks).filter(by_tls).map(trunk).collect() }
    }

    /// Whether TLS is spoken at all.
    pub(crate) fn is_used(&self) -> bool {
        self.server.is_some() || !self.trunks.is_empty()
    }

    /// Every file, to see whether it has changed.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        let own = self.server.iter().map(|server| &server.own);
        for pair in own.chain(self.trunks.iter().filter_map(|trunk| trunk.own.as_ref())) {
            paths.extend([pair.certificate.clone(), pair.key.clone()]);
        }
        paths.extend(self.server.iter().filter_map(|server| server.client_ca.clone()));
        paths.extend(self.trunks.iter().filter_map(|trunk| trunk.ca.clone()));
        paths
    }
}

fn pair(certificate: Option<&ReadFile>, key: Option<&ReadFile>) -> Option<CertificateFiles> {
    let (certificate, key) = (certificate?.0.clone(), key?.0.clone());
    Some(CertificateFiles { certificate, key })
}
