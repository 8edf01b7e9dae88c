//! [`absent`]: names the classes without an object in the measured split, which no mean includes.

use crate::Report;

/// Maximum number of names that are listed; further classes are only counted.
const LISTED: usize = 8;

/// States over how many classes the means run and which are left out; `None` if every class has objects.
pub(crate) fn absent(report: &Report) -> Option<String> {
    told(&report.classes, &report.split)
}

/// As [`absent`], for classes with their number of objects in the split.
fn told(classes: &[(String, usize)], split: &str) -> Option<String> {
    let absent: Vec<&str> =
        classes.iter().filter(|(_, objects)| *objects == 0).map(|(name, _)| name.as_str()).collect();
    if absent.is_empty() {
        return None;
    }
    let all = classes.len();
    let listed = absent.len().min(LISTED);
    let more = match absent.len() - listed {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "Means are over {} of {all} classes. The {split} split has no object of these classes, so they have no metrics (n/a): {}{more}.",
        all - absent.len(),
        absent[..listed].join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_without_objects_are_named_and_the_others_counted() {
        let class = |(i, objects): (usize, usize)| (format!("kind{i}"), objects);
        let classes = |objects: &[usize]| objects.iter().copied().enumerate().map(class).collect::<Vec<_>>();
        assert_eq!(told(&classes(&[3, 1]), "test"), None);
        let said = told(&classes(&[3, 0, 1]), "test").unwrap();
        assert!(
            said.contains("over 2 of 3 classes") && said.contains("test split") && said.contains("kind1"),
            "{said}"
        );
        assert!(told(&classes(&[0; 12]), "val").unwrap().contains("kind7 and 4 more"));
    }
}
