//! An authority that signs certificates for tests: of servers, of clients, of any time.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, PKCS_ED25519, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::CertificateDer;

/// It signs; its own certificate is a root.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, both as PEM.
#[derive(Clone)]
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// Its key.
    pub key: String,
    der: CertificateDer<'static>,
    serial: u64,
}

impl Authority {
    /// A new one of this name, with a new key.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("keys can be made");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("it signs itself") }
    }

    /// Its own certificate as PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Its own certificate.
    pub fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// A certificate for these names, valid for as long as anyone looks.
    pub fn sign(&self, names: &[&str]) -> Pair {
        self.sign_between(names, (1975, 1, 1), (4000, 1, 1))
    }

    /// A certificate for these names, valid from midnight to midnight of these days.
    pub fn sign_between(&self, names: &[&str], from: (i32, u8, u8), to: (i32, u8, u8)) -> Pair {
        self.sign_key(KeyPair::generate().expect("keys can be made"), names, from, to)
    }

    /// As [`Self::sign`], with a key of Ed25519.
    pub fn sign_ed25519(&self, names: &[&str]) -> Pair {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("keys can be made");
        self.sign_key(key, names, (1975, 1, 1), (4000, 1, 1))
    }

    fn sign_key(&self, key: KeyPair, names: &[&str], from: (i32, u8, u8), to: (i32, u8, u8)) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("they are names");
        // Of the key's own, so that no two of one authority are alike.
        let serial = key.public_key_raw()[1..8].iter().fold(1, |serial, byte| serial << 8 | u64::from(*byte));
        params.serial_number = Some(serial.into());
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(to.0, to.1, to.2);
        let signed = params.signed_by(&key, &self.issuer).expect("it is signed");
        Pair { cert: signed.pem(), key: key.serialize_pem(), der: signed.der().clone(), serial }
    }

    /// A list of certificates that it no longer stands for, as PEM; a newer one is due in the year `due`.
    pub fn revoke(&self, pairs: &[&Pair], due: i32) -> String {
        let revoked = pairs.iter().map(|pair| RevokedCertParams {
            serial_number: SerialNumber::from(pair.serial),
            revocation_time: date_time_ymd(2000, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2000, 1, 1),
            next_update: date_time_ymd(due, 1, 1),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).and_then(|list| list.pem()).expect("it is signed")
    }
}

impl Pair {
    /// Writes `<name>.pem` and `<name>.key`, the key for the owner only.
    pub fn write(&self, folder: &Path, name: &str) {
        fs::write(folder.join(format!("{name}.pem")), &self.cert).expect("the directory takes files");
        write_secret(&folder.join(format!("{name}.key")), &self.key);
    }

    /// The certificate.
    pub fn der(&self) -> CertificateDer<'static> {
        self.der.clone()
    }
}

/// Writes a file that others can neither read nor write.
pub fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).expect("the directory takes files");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
}
