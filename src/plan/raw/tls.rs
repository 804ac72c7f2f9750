//! `[tls.<name>]`, `tls` of upstreams, and what both are made of. Files are named here and read by control.

use toml::de::DeValue;

use crate::plan::TlsVersion;
use crate::plan::desk::Desk;
use crate::plan::read::{At, AtLeastOne, Item, Section, Table, Value, wrong_type};
use crate::plan::shape::{Described, Key, Shape};
use crate::plan::value::host::ServerName;
use crate::plan::value::word::{ClientAuth, Text};

const CERTIFICATES: Key<AtLeastOne<Certificate>> = Key::required(
    "certificates",
    "Chosen by the name that the client asks for (SNI), exact before wildcard; the first is for all other names.",
)
.example("[{ cert = \"api.pem\", key = \"api.key\" }]");
const MIN_VERSION: Key<TlsVersion> =
    Key::new("min_version", "\"1.2\"", "The lowest version that is spoken: \"1.2\" or \"1.3\".");
const CLIENT_CA: Key<Text> =
    Key::new("client_ca", "(clients are not asked)", "Roots that sign certificates of clients: a PEM file.")
        .example("\"partners-ca.pem\"");
const CLIENT_AUTH: Key<ClientAuth> = Key::new(
    "client_auth",
    "(\"required\" with client_ca)",
    "Whether clients must show a certificate of client_ca: \"required\" or \"optional\".",
)
.example("\"optional\"");
const CLIENT_CRL: Key<Text> =
    Key::new("client_crl", "(none)", "Revocation lists of client_ca: a PEM file; needs client_ca.")
        .example("\"partners.crl\"");

/// `[tls.<name>]`.
#[derive(Debug)]
pub struct Tls {
    /// `certificates`.
    pub certificates: Option<At<AtLeastOne<Certificate>>>,
    /// `min_version`.
    pub min_version: Option<At<TlsVersion>>,
    /// `client_ca`.
    pub client_ca: Option<At<Text>>,
    /// `client_auth`.
    pub client_auth: Option<At<ClientAuth>>,
    /// `client_crl`.
    pub client_crl: Option<At<Text>>,
}

impl Section for Tls {
    const KEYS: &'static [Described] = &[
        CERTIFICATES.describe(),
        MIN_VERSION.describe(),
        CLIENT_CA.describe(),
        CLIENT_AUTH.describe(),
        CLIENT_CRL.describe(),
    ];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        Self {
            certificates: table.take(&CERTIFICATES, desk),
            min_version: table.take(&MIN_VERSION, desk),
            client_ca: table.take(&CLIENT_CA, desk),
            client_auth: table.take(&CLIENT_AUTH, desk),
            client_crl: table.take(&CLIENT_CRL, desk),
        }
    }
}

const CERT: Key<Text> = Key::required(
    "cert",
    "The certificate and what leads to its root, in this order: a PEM file, relative to this one.",
)
.example("\"api.pem\"");
const KEY: Key<Text> =
    Key::required("key", "Its private key: a PEM file that others must not be able to read.").example("\"api.key\"");

/// `{ cert = …, key = … }`.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// `cert`.
    pub cert: Option<At<Text>>,
    /// `key`.
    pub key: Option<At<Text>>,
}

impl Section for Certificate {
    const KEYS: &'static [Described] = &[CERT.describe(), KEY.describe()];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        Self { cert: table.take(&CERT, desk), key: table.take(&KEY, desk) }
    }
}

const CA: Key<Text> = Key::new("ca", "(the system's)", "Roots to trust: a PEM file.").example("\"internal-ca.pem\"");
const SERVER_NAME: Key<ServerName> = Key::new(
    "server_name",
    "(the endpoint's host)",
    "The name that is asked for (SNI) and that certificates must be for; a host or an IP address.",
)
.example("\"reco.internal\"");
const OWN_CERT: Key<Text> =
    Key::new("cert", "(none)", "What Ringway shows when it is asked who it is: a PEM file; needs key.")
        .example("\"gateway.pem\"");
const OWN_KEY: Key<Text> =
    Key::new("key", "(none)", "The private key of cert: a PEM file that others must not be able to read; needs cert.")
        .example("\"gateway.key\"");
const VERIFY: Key<Verify> = Key::new(
    "verify",
    "true",
    "false takes every certificate, an attacker's too: for trials only, and check warns about it.",
);

/// `tls` of an upstream.
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    /// `ca`.
    pub ca: Option<At<Text>>,
    /// `server_name`.
    pub server_name: Option<At<ServerName>>,
    /// `cert`.
    pub cert: Option<At<Text>>,
    /// `key`.
    pub key: Option<At<Text>>,
    /// `verify`.
    pub verify: Option<At<Verify>>,
}

impl Section for UpstreamTls {
    const KEYS: &'static [Described] =
        &[CA.describe(), SERVER_NAME.describe(), OWN_CERT.describe(), OWN_KEY.describe(), VERIFY.describe()];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        Self {
            ca: table.take(&CA, desk),
            server_name: table.take(&SERVER_NAME, desk),
            cert: table.take(&OWN_CERT, desk),
            key: table.take(&OWN_KEY, desk),
            verify: table.take(&VERIFY, desk),
        }
    }
}

/// `true` or `false`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verify(pub bool);

impl Value for Verify {
    const SHAPE: Shape = Shape::Any(&[Shape::Boolean(true), Shape::Boolean(false)]);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        match item.value {
            DeValue::Boolean(truth) => Some(Self(*truth)),
            _ => {
                wrong_type(item, "true or false", desk);
                None
            }
        }
    }
}
