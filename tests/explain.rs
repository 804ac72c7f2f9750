//! `explain` judges every route by itself; the router walks a tree. They must come to the same end.

use ringway::plan::explain::{Explainer, Loss};
use ringway::plan::router::Outcome;

use crate::tables::{self, Random, table};

#[test]
fn explain_and_the_router_agree_on_random_requests() {
    let mut total = 0;
    let mut outranked = 0;
    for seed in 10_000..10_250 {
        let mut random = Random::new(seed);
        let size = 1 + random.below(60);
        let (table, router) = table(&mut random, size);
        let explainer = Explainer::new(&table);
        for _ in 0..400 {
            let question = tables::request(&mut random);
            let told = explainer.explain(&question);
            let clue = || format!("seed {seed}: {question:?}\n{told:?}");
            match router.find(&question) {
                Outcome::Found(route, captures) => {
                    let winner = told.winner.as_ref().unwrap_or_else(|| panic!("{}", clue()));
                    assert_eq!(winner.wanted.route, route, "{}", clue());
                    for (index, (_, value)) in winner.captures.iter().enumerate() {
                        assert_eq!(captures.get(index, question.path.as_bytes()), Some(value.as_bytes()), "{}", clue());
                    }
                }
                Outcome::MethodNotAllowed => {
                    assert!(told.winner.is_none() && !told.allowed.is_empty(), "{}", clue());
                    assert_eq!(router.allowed(&question), Vec::from_iter(told.allowed.clone()), "{}", clue());
                }
                Outcome::NotFound => assert!(told.winner.is_none() && told.allowed.is_empty(), "{}", clue()),
            }
            assert_eq!(told.losers.len() + usize::from(told.winner.is_some()), table.len(), "{}", clue());
            outranked += told.losers.iter().filter(|(_, loss)| matches!(loss, Loss::Outranked(_))).count();
            total += 1;
        }
    }
    assert!(total >= 100_000 && outranked > 1_000, "{total} {outranked}");
}
