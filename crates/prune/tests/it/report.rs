//! [`report`]: numbers computed by hand.

use bonsai_graph::{Cost, Size};
use bonsai_prune::{Coupling, GammaRange, LayerReport, Member, PrunePlan, report};

use crate::small_model::{conv_bn, small_model};

#[test]
fn numbers_of_a_small_network() {
    let mut model = small_model(&conv_bn("y", "x", 4));
    model.weights.get_mut("y.weight").unwrap().data_mut().copy_from_slice(&[0.5, -1.5, 0.25, 0.75]);
    model.weights.get_mut("y.bias").unwrap().data_mut().copy_from_slice(&[0.0, 3.0, -0.125, 0.0625]);
    let coupling = Coupling::from_graph(model.model.graph());
    let node = model.model.graph().find("y").unwrap();
    let sets = [2, 3].map(|channel| coupling.set_of(Member { node, channel }));
    let plan = PrunePlan::removing(&coupling, sets).unwrap();
    let r = report(&plan, &model, Size { height: 10, width: 20 }).unwrap();
    // Sets of the image, of `y` with its batch norm, of boxes and of classes.
    assert_eq!((r.sets, r.prunable_sets, r.removed_sets), (3 + 4 + 4 + 1, 4, 2));
    assert_eq!(r.before, Cost { params: 4 * 27 + 8 + 4 * 5 + 5, macs: 200 * (4 * 27 + 4 * 5) });
    assert_eq!(r.after, Cost { params: 2 * 27 + 4 + 2 * 5 + 5, macs: 200 * (2 * 27 + 2 * 5) });
    assert_eq!(r.largest_removed_beta, Some(0.125));
    let expected = LayerReport {
        conv: "y.conv".to_owned(),
        original: 4,
        kept: 2,
        macs_before: 200 * 4 * 27,
        macs_after: 200 * 2 * 27,
        gamma: Some(GammaRange { min: 0.25, mean: 0.75, max: 1.5 }),
    };
    assert_eq!(r.layers[0], expected);
    assert_eq!((r.layers.len(), r.layers[1].gamma), (3, None));
    let nothing =
        report(&PrunePlan::identity(model.model.graph()), &model, Size { height: 10, width: 20 }).unwrap();
    assert_eq!((nothing.removed_sets, nothing.largest_removed_beta, nothing.after), (0, None, r.before));
}
