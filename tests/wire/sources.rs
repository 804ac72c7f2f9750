//! Each case names the section of the RFC, or the CVE, that it comes from, and each attack that the gateway must
//! withstand has its case.

use super::fixture::load;

/// The RFCs that cases come from, and the number of the last section of each.
const RFCS: &[(u32, u32)] = &[
    (1035, 8),
    (3629, 12),
    (3875, 11),
    (3986, 9),
    (3987, 9),
    (4253, 13),
    (5246, 12),
    (5321, 10),
    (5789, 6),
    (6455, 14),
    (6585, 9),
    (7239, 10),
    (8297, 6),
    (8446, 12),
    (9110, 19),
    (9112, 13),
    (9113, 12),
    (9209, 6),
    (10008, 9),
];

/// The published attacks on framing, routing and identity over HTTP/1.1.
const ATTACKS: &[&str] = &[
    "CVE-2021-40346",
    "CVE-2022-24112",
    "CVE-2023-25725",
    "CVE-2023-39326",
    "CVE-2023-40225",
    "CVE-2025-4366",
    "CVE-2025-55315",
    "CVE-2026-105299",
    "CVE-2026-1642",
    "CVE-2026-2833",
    "CVE-2026-2835",
    "CVE-2026-29054",
    "CVE-2026-40460",
    "CVE-2026-48020",
    "CVE-2026-54387",
    "CVE-2026-73553",
    "CVE-2026-90678",
];

#[test]
fn every_case_names_a_section_or_an_attack() {
    let wrong: Vec<String> = load("requests")
        .into_iter()
        .chain(load("answers"))
        .filter(|case| !is_section(&case.source) && !is_attack(&case.source))
        .map(|case| format!("{}: {:?}", case.place, case.source))
        .collect();
    assert!(wrong.is_empty(), "these name nothing that can be looked up:\n{}", wrong.join("\n"));
    for bad in
        ["", "RFC 9112", "RFC 9112 ", "RFC 9112 14", "RFC 9112 6.", "RFC 9121 6", "RFC9112 6", "CVE-2026-", "CVE-26-1"]
    {
        assert!(!is_section(bad) && !is_attack(bad), "{bad:?}");
    }
}

#[test]
fn every_attack_has_its_case() {
    let cases: Vec<_> = load("requests").into_iter().chain(load("answers")).collect();
    let missing: Vec<_> = ATTACKS.iter().filter(|attack| !cases.iter().any(|case| case.source == **attack)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// `RFC 9112 7.1.1`; an appendix has a letter.
fn is_section(source: &str) -> bool {
    let Some((number, section)) = source.strip_prefix("RFC ").and_then(|rest| rest.split_once(' ')) else {
        return false;
    };
    let Some((_, last)) = RFCS.iter().find(|(known, _)| number == known.to_string()) else { return false };
    let (chapter, rest) = section.split_once('.').map_or((section, None), |(chapter, rest)| (chapter, Some(rest)));
    let is_chapter = match chapter.parse::<u32>() {
        Ok(number) => (1..=*last).contains(&number),
        Err(_) => chapter.len() == 1 && chapter.starts_with(|letter: char| letter.is_ascii_uppercase()),
    };
    is_chapter && rest.is_none_or(|rest| rest.split('.').all(|part| part.parse::<u32>().is_ok_and(|part| part > 0)))
}

/// `CVE-2026-2833`.
fn is_attack(source: &str) -> bool {
    let Some((year, number)) = source.strip_prefix("CVE-").and_then(|rest| rest.split_once('-')) else { return false };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    year.len() == 4 && is_number(year) && (4..=7).contains(&number.len()) && is_number(number)
}
