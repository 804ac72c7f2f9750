//! Files change while a gateway serves: what is good takes the earlier one's place, what is not does not.

use super::*;

/// When the first certificate of the plan ends.
fn end(certificates: &Certificates) -> i64 {
    *certificates.ends.values().next().unwrap()
}

#[test]
fn a_bad_file_does_not_take_a_good_ones_place() {
    let site = Site::new();
    let authority = Authority::new("root");
    site.pair("a", &authority.sign_between(&["a.example"], (2020, 1, 1), (2028, 1, 1)));
    site.file("ca.pem", &authority.pem());
    let (plan, mut certificates) = site.good(&edge(&format!("{A}\nclient_ca = \"ca.pem\"")));
    let good = end(&certificates);
    let other = authority.sign_between(&["a.example"], (2020, 1, 1), (2029, 1, 1));
    // In this order each is a step of a replacement that goes wrong: half of a pair, no pair, no roots.
    site.file("a.pem", &other.cert);
    for (expected, step) in [
        ("E043 5:41 \"a.key\": the key does not belong to the certificate", 0),
        ("E043 5:26 \"a.pem\": it is not a PEM file", 1),
        ("E043 5:26 \"a.pem\": there is no such file", 2),
    ] {
        match step {
            0 => {}
            1 => site.file("a.pem", "-----BEGIN CERTIFICATE-----\n!"),
            _ => fs::remove_file(site.path().join("a.pem")).unwrap(),
        }
        certificates = certificates.remake(&plan, now()).unwrap();
        let refused: Vec<String> = certificates.refused.iter().map(|complaint| site.shown(complaint)).collect();
        assert!(refused.len() == 1 && refused[0].starts_with(expected), "{refused:?}");
        assert_eq!(end(&certificates), good);
    }
    site.file("ca.pem", "");
    certificates = certificates.remake(&plan, now()).unwrap();
    assert_eq!(certificates.refused.len(), 2);
    assert!(certificates.keyring.servers[0].is_some());
    // And all is well again once the files are.
    site.pair("a", &other);
    site.file("ca.pem", &authority.pem());
    certificates = certificates.remake(&plan, now()).unwrap();
    assert!(certificates.refused.is_empty());
    assert_eq!(end(&certificates) - good, 366 * 24 * 60 * 60);
}

#[test]
fn a_new_plan_with_a_bad_file_is_not_made() {
    let site = Site::new();
    site.pair("a", &Authority::new("root").sign(&["a.example"]));
    let (plan, certificates) = site.good(&edge(A));
    let mentions = site.load(&edge(A)).mentions;
    site.file("a.pem", "");
    let refused = Certificates::make(&plan, &mentions, Some(&certificates), Strictness::Strict, now()).unwrap_err();
    assert_eq!(refused.list.len(), 1);
}

#[test]
fn an_expired_certificate_does_not_take_the_place_of_a_valid_one() {
    let site = Site::new();
    let authority = Authority::new("root");
    let between = |from: i32, to: i32| authority.sign_between(&["a.example"], (from, 1, 1), (to, 1, 1));
    site.pair("a", &between(2020, 2028));
    let Loaded { plan, mentions, .. } = site.load(&edge(A));
    let make = |earlier: &Certificates, strictness: Strictness, now: Wall| {
        Certificates::make(&plan, &mentions, Some(earlier), strictness, now).unwrap()
    };
    let first = make(&Certificates::default(), Strictness::Strict, now());
    let good = end(&first);
    site.pair("a", &between(2020, 2026));
    // For a plan that is being put in force as well: there is something better to serve.
    for strictness in [Strictness::Strict, Strictness::Lenient] {
        let kept = make(&first, strictness, now());
        let said = site.shown(&kept.refused[0]);
        assert!(said.starts_with("E043 5:26 \"a.pem\": it expired on 2026-01-01T00:00:00.000Z; the earlier"), "{said}");
        assert_eq!((end(&kept), kept.again_at), (good, None));
    }
    // One that is not valid yet waits for its time.
    site.pair("a", &between(2027, 2030));
    let kept = make(&first, Strictness::Lenient, now());
    assert_eq!((end(&kept), kept.again_at.is_some()), (good, true));
    let later = Wall::from_nanos(u64::try_from(kept.again_at.unwrap()).unwrap() * 1_000_000_000);
    let taken = make(&kept, Strictness::Lenient, later);
    assert!(taken.refused.is_empty() && end(&taken) > good);
    // Of two that have both expired the new one is served: perhaps its clients have clocks that are wrong in that way.
    site.pair("a", &between(2020, 2025));
    let long_after = Wall::from_nanos((NOW + 10 * 365 * 24 * 60 * 60) * 1_000_000_000);
    let taken = make(&first, Strictness::Lenient, long_after);
    assert!(taken.refused.is_empty() && end(&taken) < good);
    assert_eq!(taken.warnings.len(), 1);
}
