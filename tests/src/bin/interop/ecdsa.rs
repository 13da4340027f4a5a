//! Another certificate for baresip's DTLS: Debian's 1.0 makes one of RSA for itself and takes none,
//! later ones have ECDSA. The one function of its library that makes the certificate is replaced by
//! one that reads it; the handshake stays baresip's and OpenSSL's.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use rcgen::{CertificateParams, KeyPair};

/// Where the replaced function finds certificate and key.
const VARIABLE: &str = "INTEROP_DTLS_PEM";
const SOURCE: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <stddef.h>

struct tls;
int tls_set_certificate_pem(struct tls *tls, const char *cert, size_t len_cert,
                            const char *key, size_t len_key);

int tls_set_selfsigned_rsa(struct tls *tls, const char *name, size_t bits)
{
    static char pem[8192];
    const char *path = getenv("INTEROP_DTLS_PEM");
    FILE *file = path ? fopen(path, "r") : NULL;
    size_t length;
    (void)name;
    (void)bits;
    if (!file)
        return ENOENT;
    length = fread(pem, 1, sizeof pem - 1, file);
    fclose(file);
    return tls_set_certificate_pem(tls, pem, length, pem, length);
}
"#;

/// Has `baresip`, which keeps its files in `folder`, take part in handshakes with a certificate of
/// ECDSA.
///
/// # Errors
/// No C compiler is there.
pub(crate) fn certify(baresip: &mut Command, folder: &Path) -> Result<()> {
    let (source, library) = (folder.join("ecdsa.c"), folder.join("ecdsa.so"));
    fs::write(&source, SOURCE)?;
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
    ensure!(compiler.status()?.success(), "cc does not compile {}", source.display());
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["baresip".to_owned()])?.self_signed(&key)?;
    let pem = folder.join("dtls.pem");
    fs::write(&pem, certificate.pem() + &key.serialize_pem())?;
    baresip.env("LD_PRELOAD", &library).env(VARIABLE, &pem);
    Ok(())
}
