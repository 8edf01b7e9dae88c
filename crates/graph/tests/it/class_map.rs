//! Tests of [`ClassMap`]: classes of a network and a dataset, matched by name.

use bonsai_graph::{ClassMap, MatchedBy};
use proptest::prelude::*;
use proptest::sample::subsequence;

use crate::assert_names;

fn map(network: &[&str], dataset: &[&str]) -> ClassMap {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    ClassMap::new(&owned(network), &owned(dataset))
}

fn classes(map: &ClassMap) -> Vec<Option<usize>> {
    (0..map.dataset().len()).map(|class| map.network_class(class)).collect()
}

#[test]
fn names_in_one_order_need_no_word_and_in_another_are_brought_together() {
    let same = map(&["RBC", "WBC", "Platelets"], &["RBC", " WBC", "Platelets "]);
    assert!(same.is_plain() && same.keeps_numbers());
    let other = map(&["RBC", "WBC", "Platelets"], &["WBC", "RBC", "Platelets"]);
    assert_eq!(classes(&other), [Some(1), Some(0), Some(2)]);
    assert!(!other.is_plain() && !other.keeps_numbers());
    assert_names(&other.to_string(), &["by name", "another order", "`WBC` 0 from 1", "`RBC` 1 from 0"]);
}

#[test]
fn what_is_new_and_what_is_gone_is_listed() {
    let partly = map(&["person", "bus", "car"], &["car", "tram", "person"]);
    assert_eq!(classes(&partly), [Some(2), None, Some(0)]);
    assert_eq!(
        (partly.missing().collect::<Vec<_>>(), partly.surplus().collect::<Vec<_>>()),
        (vec![1], vec![1])
    );
    assert_names(
        &partly.to_string(),
        &["2 in both", "only in the dataset: `tram`", "only in the network: `bus`"],
    );
    let none = map(&["a", "b"], &["x", "y"]);
    assert_eq!((none.shared(), none.matched_by()), (0, MatchedBy::Name));
    assert_names(&none.to_string(), &["no class", "`x`, `y`", "`a`, `b`"]);
}

#[test]
fn exact_names_come_first_and_case_and_space_decide_only_where_they_leave_no_doubt() {
    let loose = map(&["Traffic  light", "STOP"], &["stop", "traffic light"]);
    assert_eq!(classes(&loose), [Some(1), Some(0)]);
    assert_names(
        &loose.to_string(),
        &["`stop` is taken for `STOP`", "`traffic light` is taken for `Traffic  light`"],
    );
    assert!(!map(&["Cat"], &["cat"]).is_plain(), "the same number, but another spelling");
    // The network has exactly `cat`, so `Cat` is another class.
    assert_eq!(classes(&map(&["Cat", "cat", "dog"], &["dog", "cat"])), [Some(2), Some(1)]);
    let unclear = map(&["Cat", "CAT", "dog"], &["dog", "cat"]);
    assert_eq!(
        (classes(&unclear), unclear.ambiguous().collect::<Vec<_>>()),
        (vec![Some(2), None], vec!["cat"])
    );
    assert_names(&unclear.to_string(), &["more than once: `cat`"]);
}

#[test]
fn a_name_that_stands_twice_is_matched_with_nothing_unless_the_lists_are_equal() {
    assert!(map(&["a", "a", "b"], &["a", "a", "b"]).is_plain());
    for (network, dataset, expected) in [
        (&["a", "a", "b"][..], &["b", "a"][..], vec![Some(2), None]),
        (&["b", "a"], &["a", "a", "b"], vec![None, None, Some(0)]),
    ] {
        let map = map(network, dataset);
        assert_eq!(classes(&map), expected);
        assert!(map.ambiguous().all(|name| name == "a") && map.ambiguous().count() > 0);
    }
    // A name that occurs twice on one side and never on the other is not ambiguous.
    assert_eq!(map(&["x", "x", "a", "b"], &["b", "a"]).ambiguous().count(), 0);
}

#[test]
fn names_that_are_only_numbers_are_matched_by_number_and_said_to_be() {
    for (network, dataset) in [
        (&["class0", "class1", "class2"][..], &["RBC", "WBC", "Platelets"][..]),
        (&["RBC", "WBC", "Platelets"], &["0", "1", "2"]),
        (&["class0", "class1"], &["class_0", "class_1"]),
        (&["0", "1"], &["1", "2"]),
        (&["RBC", "WBC"], &["1", "0"]),
    ] {
        let map = map(network, dataset);
        assert_eq!(map.matched_by(), MatchedBy::Number, "{map}");
        assert!(map.keeps_numbers() && !map.is_plain());
        let first = format!("`{}` is `{}`", dataset[0], network[0]);
        assert_names(&map.to_string(), &["by number", "only numbers", &first]);
    }
    // Names that are numbers are matched by name if both sides have them.
    let digits = map(&["0", "1", "10", "2"], &["0", "1", "2", "10"]);
    assert_eq!(
        (digits.matched_by(), classes(&digits)),
        (MatchedBy::Name, vec![Some(0), Some(1), Some(3), Some(2)])
    );
    assert_eq!(classes(&map(&["0", "1", "2"], &["2"])), [Some(2)]);
    // Generated names are not matched by number if the class counts differ.
    assert_eq!(map(&["class0", "class1", "class2"], &["a", "b"]).shared(), 0);
    // These are names, not numbers.
    for name in ["c1", "class", "1a", "", "99999999999999999999999"] {
        assert_eq!(map(&[name], &["other"]).matched_by(), MatchedBy::Name, "{name:?}");
    }
}

#[test]
fn what_a_terminal_would_act_on_is_written_out_and_long_lists_are_cut() {
    let text = map(&["a\u{1b}[31m", "b"], &["b", "c\n"]).to_string();
    assert!(!text.contains(['\u{1b}', '\n']) && text.contains(r"\u{1b}"), "{text}");
    let many: Vec<String> = (0..80).map(|i| format!("kind {i}")).collect();
    let text = ClassMap::new(&many, &["kind 7".to_owned()]).to_string();
    assert!(text.contains("and 71 more") && text.len() < 300, "{text}");
}

#[test]
fn results_hold_both_lists_and_what_was_matched() {
    let value = serde_json::to_value(map(&["a", "b"], &["b", "c"])).unwrap();
    assert_eq!(value["matched_by"], "name");
    assert_eq!(value["network_classes"], serde_json::json!([1, null]));
    assert_eq!((&value["dataset"][1], &value["network"][0]), (&"c".into(), &"a".into()));
    assert!(value["note"].as_str().unwrap().contains("only in the dataset"));
}

proptest! {
    #[test]
    fn every_shared_name_meets_itself_in_any_order(
        network in Just(["ant", "bee", "cow", "dog", "elk", "fox"].map(str::to_owned).to_vec()).prop_shuffle(),
        dataset in subsequence(["ant", "bee", "cow", "dog", "elk", "gnu"].map(str::to_owned).to_vec(), 1..=6).prop_shuffle(),
    ) {
        let map = ClassMap::new(&network, &dataset);
        for (class, name) in dataset.iter().enumerate() {
            let expected = network.iter().position(|other| other == name);
            prop_assert_eq!(map.network_class(class), expected);
            if let Some(theirs) = expected {
                prop_assert_eq!(map.dataset_class(theirs), Some(class));
            }
        }
        prop_assert_eq!(map.shared() + map.surplus().count(), network.len());
        prop_assert_eq!(map.shared() + map.missing().count(), dataset.len());
        prop_assert_eq!(map.network_class(dataset.len()), None);
    }
}

#[test]
fn classes_of_other_names_are_taken_in_their_order_only_if_asked() {
    let translated = map(&["ant", "bee"], &["Ameise", "Biene"]);
    assert_eq!(translated.shared(), 0);
    let taken = translated.in_order().unwrap();
    assert_eq!((taken.matched_by(), taken.network_class(1)), (MatchedBy::Order, Some(1)));
    assert!(!taken.is_plain() && taken.to_string().contains("`Biene` is `bee`"), "{taken}");
    // The class counts must be equal, and no name may occur on both sides.
    assert_eq!(map(&["ant", "bee"], &["Ameise"]).in_order(), None);
    assert_eq!(map(&["ant", "bee"], &["bee", "Ameise"]).in_order(), None);
    assert_eq!(map(&["ant", "bee"], &["bee", "bee"]).in_order(), None);
}
