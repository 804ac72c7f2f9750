//! Certificates, keys, roots and revocation lists: what `check` says of them, E043 and W008 among it.
