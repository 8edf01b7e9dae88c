//! [`place`]: positions of the labels of points, so that they overlap neither each other nor a point.

/// Half of a point's size, and its distance to a label.
const POINT: f64 = 5.0;
const GAP: f64 = 4.0;
/// Height of a label, and mean width of a letter at its size.
const HEIGHT: f64 = 12.0;
const LETTER: f64 = 5.9;

/// A rectangle from its left, top, right and bottom edge.
type Edges = [f64; 4];

/// The place of a label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Label {
    pub(super) x: f64,
    /// The line on which the letters stand.
    pub(super) y: f64,
    /// Value of `text-anchor`.
    pub(super) anchor: &'static str,
}

/// A place for the label of each point: above, below, right or left of it, or shifted to a side, inside `area`; `None` where all of
/// these are taken. Points that come first choose first.
pub(super) fn place(points: &[(f64, f64, &str)], area: Edges) -> Vec<Option<Label>> {
    let around = |&(x, y, _): &(f64, f64, &str)| [x - POINT, y - POINT, x + POINT, y + POINT];
    let mut taken: Vec<Edges> = points.iter().map(around).collect();
    let mut places = Vec::with_capacity(points.len());
    for &(x, y, text) in points {
        let width = LETTER * text.chars().count() as f64;
        let beside = y + HEIGHT / 3.0;
        let (above, below) = (y - POINT - GAP, y + POINT + HEIGHT);
        let candidates = [
            (Label { x, y: above, anchor: "middle" }, x - width / 2.0),
            (Label { x, y: below, anchor: "middle" }, x - width / 2.0),
            (Label { x: x + POINT + GAP, y: beside, anchor: "start" }, x + POINT + GAP),
            (Label { x: x - POINT - GAP, y: beside, anchor: "end" }, x - POINT - GAP - width),
            (Label { x: x - POINT, y: above, anchor: "start" }, x - POINT),
            (Label { x: x - POINT, y: below, anchor: "start" }, x - POINT),
            (Label { x: x + POINT, y: above, anchor: "end" }, x + POINT - width),
            (Label { x: x + POINT, y: below, anchor: "end" }, x + POINT - width),
        ];
        let free = candidates.into_iter().find_map(|(label, left)| {
            let edges = [left, label.y - HEIGHT, left + width, label.y + 2.0];
            let is_inside =
                edges[0] >= area[0] && edges[1] >= area[1] && edges[2] <= area[2] && edges[3] <= area[3];
            (is_inside && !taken.iter().any(|other| overlap(edges, *other))).then_some((label, edges))
        });
        places.push(free.map(|(label, edges)| {
            taken.push(edges);
            label
        }));
    }
    places
}

fn overlap(a: Edges, b: Edges) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Edges = [0.0, 0.0, 400.0, 300.0];

    #[test]
    fn labels_overlap_neither_points_nor_each_other() {
        let points: Vec<(f64, f64, &str)> = (0..12)
            .map(|i| (100.0 + 9.0 * f64::from(i), 100.0 + 7.0 * f64::from(i % 4), "CPU engine"))
            .collect();
        let places = place(&points, AREA);
        let mut boxes: Vec<Edges> =
            points.iter().map(|(x, y, _)| [x - POINT, y - POINT, x + POINT, y + POINT]).collect();
        let placed: Vec<Label> = places.iter().copied().flatten().collect();
        assert!(placed.len() >= 3, "{places:?}");
        for label in placed {
            let width = LETTER * 10.0;
            let left = match label.anchor {
                "start" => label.x,
                "end" => label.x - width,
                _ => label.x - width / 2.0,
            };
            let edges = [left, label.y - HEIGHT, left + width, label.y + 2.0];
            assert!(boxes.iter().all(|other| !overlap(edges, *other)), "{label:?}");
            boxes.push(edges);
        }
    }

    #[test]
    fn a_point_at_the_edge_has_its_label_inside() {
        let places = place(&[(2.0, 30.0, "baseline"), (398.0, 270.0, "fine-tuned")], AREA);
        assert_eq!(places[0].map(|label| label.anchor), Some("start"));
        assert_eq!(places[1].map(|label| label.anchor), Some("end"));
        assert_eq!(place(&[(200.0, 150.0, &"x".repeat(200))], AREA), [None]);
    }
}
