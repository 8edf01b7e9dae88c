//! Removed channels with gamma 0 emit the constant SiLU(beta); the pruned network must compensate for it.

use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_graph::{Graph, Op, ParamRole};
use bonsai_prune::{Compensation, Coupling, Member, PrunePlan, apply, apply_compensated};
use bonsai_testkit::{
    RandomGraphConfig, Tolerance, arb_model, assert_arrays_close, random_array, random_model, random_weights,
    reference_forward,
};
use proptest::prelude::{ProptestConfig, any, proptest};

use crate::small_model::{conv, conv_bn, small_model};
use crate::zeroing::{kept_by_walking, random_plan};

/// `model` with gamma 0, and beta unchanged, in the channels that `plan` removes.
fn silenced(plan: &PrunePlan, model: &Checkpoint) -> Checkpoint {
    let graph = model.model.graph();
    let kept = kept_by_walking(plan, graph);
    let mut model = model.clone();
    for spec in graph.params().iter().filter(|s| s.role == ParamRole::BnGamma) {
        let gammas = model.weights.get_mut(&spec.name).unwrap().data_mut();
        let removed = gammas.iter_mut().enumerate().filter(|(c, _)| !kept[spec.node.index()].contains(c));
        removed.for_each(|(_, gamma)| *gamma = 0.0);
    }
    model
}

/// The same network with all convolutions 1x1, no padding, and other weights.
fn with_small_kernels(model: &Checkpoint) -> Checkpoint {
    let narrow = |op: &Op| match *op {
        Op::Conv2d { out_channels, stride, bias, groups, .. } => {
            Op::Conv2d { out_channels, kernel: 1, stride, padding: 0, bias, groups }
        }
        op @ (Op::Input { .. }
        | Op::BatchNorm { .. }
        | Op::Silu
        | Op::Add
        | Op::Concat
        | Op::Slice { .. }
        | Op::MaxPool { .. }
        | Op::Upsample { .. }) => op,
    };
    let graph = model.model.graph().map_ops(|_, node| narrow(node.op())).unwrap();
    let weights = random_weights(3, &graph);
    Checkpoint::new(model.model.with_graph(graph).unwrap(), weights).unwrap()
}

fn outputs(model: &Checkpoint, images: &Array) -> Vec<Array> {
    reference_forward(model.model.graph(), &model.weights, images, false)
}

fn check_exact(model: &Checkpoint, plan: &PrunePlan, images: &Array) -> Compensation {
    let silenced = silenced(plan, model);
    let (pruned, compensation) = apply_compensated(plan, &silenced).unwrap();
    if compensation.lost.is_empty() {
        for (actual, expected) in outputs(&pruned, images).iter().zip(outputs(&silenced, images)) {
            // The shifts are exact in `f64`, but means and biases keep them in `f32`, layer after layer.
            assert_arrays_close(actual, &expected, Tolerance::Close, "compensated");
        }
    }
    compensation
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exact_for_gamma_zero_and_small_kernels(
        model in arb_model(RandomGraphConfig::default()),
        seed in any::<u64>(),
    ) {
        let small = with_small_kernels(&model.checkpoint);
        let plan = random_plan(&Coupling::from_graph(small.model.graph()), seed);
        check_exact(&small, &plan, &random_array(seed, &[1, 3, model.h, model.w]));
    }

    /// Only biases and running means differ from the result of `apply`.
    #[test]
    fn nothing_else_changes(model in arb_model(RandomGraphConfig::default()), seed in any::<u64>()) {
        let plan = random_plan(&Coupling::from_graph(model.spec().graph()), seed);
        let plain = apply(&plan, &model.checkpoint).unwrap();
        let (pruned, compensation) = apply_compensated(&plan, &model.checkpoint).unwrap();
        assert_eq!(pruned.model, plain.model);
        for spec in plain.model.graph().params() {
            let same = pruned.weights.get(&spec.name) == plain.weights.get(&spec.name);
            let may_differ = matches!(spec.role, ParamRole::ConvBias | ParamRole::BnMean);
            assert!(same || (may_differ && compensation.convs > 0), "{}", spec.name);
        }
    }
}

/// The property above would also hold if no network needed compensation; this test shows that many do.
#[test]
fn the_property_is_not_empty() {
    let mut exact = 0;
    let mut lost = 0;
    for seed in 0..100 {
        let model = random_model(seed, &RandomGraphConfig::default());
        let small = with_small_kernels(&model.checkpoint);
        let plan = random_plan(&Coupling::from_graph(small.model.graph()), seed);
        let compensation = check_exact(&small, &plan, &random_array(seed, &[1, 3, model.h, model.w]));
        lost += usize::from(!compensation.lost.is_empty());
        exact += usize::from(compensation.lost.is_empty() && compensation.largest_shift > 0.01);
    }
    assert!(exact > 50, "{exact} exact, {lost} with losses");
}

fn removing(graph: &Graph, layer: &str, channel: usize) -> PrunePlan {
    let coupling = Coupling::from_graph(graph);
    let set = coupling.set_of(Member { node: graph.find(layer).unwrap(), channel });
    PrunePlan::removing(&coupling, [set]).unwrap()
}

#[test]
fn larger_kernels_are_exact_inside_the_image() {
    let model = small_model(&(conv_bn("a", "x", 4) + "s = silu(a)\n" + &conv_bn("y", "s", 4)));
    let plan = removing(model.model.graph(), "a", 1);
    let silenced = silenced(&plan, &model);
    let (pruned, compensation) = apply_compensated(&plan, &silenced).unwrap();
    let beta = f64::from(model.weights.get("a.bias").unwrap().data()[1]);
    let kernel = model.weights.get("y.conv.weight").unwrap().select(1, &[1]);
    let shift = |o: usize| {
        let taps = kernel.data()[o * 9..][..9].iter().map(|w| f64::from(*w));
        taps.sum::<f64>() * beta / (1.0 + (-beta).exp())
    };
    let largest = (0..4).map(|o| shift(o).abs()).fold(0.0, f64::max);
    assert!((compensation.largest_shift - largest).abs() < 1e-12, "{compensation:?} {largest}");
    assert_eq!((compensation.sets, compensation.convs, compensation.lost.len()), (1, 1, 0));
    let means = |m: &Checkpoint| m.weights.get("y.running_mean").unwrap().data().to_vec();
    for (o, (now, was)) in means(&pruned).iter().zip(means(&model)).enumerate() {
        assert!((f64::from(was - now) - shift(o)).abs() < 1e-6);
    }
    let images = random_array(5, &[1, 3, 6, 7]);
    let actual = &outputs(&pruned, &images)[0];
    let expected = &outputs(&silenced, &images)[0];
    let mut border_differs = false;
    for (i, (a, e)) in actual.data().iter().zip(expected.data()).enumerate() {
        let row = i / 7 % 6;
        let column = i % 7;
        if (1..5).contains(&row) && (1..6).contains(&column) {
            assert!((a - e).abs() < 1e-5, "row {row}, column {column}: {a}, expected {e}");
        } else {
            border_differs |= (a - e).abs() > 1e-4;
        }
    }
    assert!(border_differs, "zero padding must change the border");
}

/// Additions, concats, slices, pooling and upsampling pass the constant on to all convolutions that read it.
#[test]
fn constants_pass_through_what_lies_between() {
    let act = |name: &str, input: &str| format!("{name} = silu({input})\n");
    let wide = conv_bn("a", "x", 4)
        + &act("as", "a")
        + &conv_bn("b", "as", 4)
        + &act("bs", "b")
        + "sum = add(as, bs, as)\n"
        + "pool = max_pool(sum) kernel=3 stride=1 padding=1\n"
        + "cat = concat(pool, sum)\n"
        + "part = slice(cat) start=2 len=5\n"
        + "y = upsample(part) scale=2\n";
    let model = with_small_kernels(&small_model(&wide));
    let plan = removing(model.model.graph(), "a", 2);
    let compensation = check_exact(&model, &plan, &random_array(2, &[2, 3, 5, 4]));
    // `b` reads `as`, and both heads read the sum; the heads have a bias.
    assert_eq!((compensation.sets, compensation.convs, compensation.lost.len()), (1, 3, 0));
}

#[test]
fn what_cannot_be_kept_is_reported() {
    let bare = conv_bn("a", "x", 4) + &conv("c", "a", 4) + "y = silu(c)\n";
    let model = small_model(&bare);
    let (_, compensation) = apply_compensated(&removing(model.model.graph(), "a", 0), &model).unwrap();
    assert_eq!((compensation.lost, compensation.convs), (vec!["y".to_owned()], 1));
    // A batch norm or a bias after layers that pass a constant on does absorb it.
    let later = conv_bn("a", "x", 4)
        + &conv("c", "a", 4)
        + "p = max_pool(c) kernel=2 stride=2 padding=0\ny = concat(p, p)\n";
    let model = with_small_kernels(&small_model(&later));
    let compensation =
        check_exact(&model, &removing(model.model.graph(), "a", 0), &random_array(2, &[2, 3, 4, 4]));
    assert_eq!((compensation.lost.len(), compensation.convs), (0, 3));
}

/// If gamma is not 0, the mean output is compensated: the result is closer to the original than without.
#[test]
fn channels_with_a_scale_are_met_on_average() {
    let model = small_model(&(conv_bn("a", "x", 8) + "s = silu(a)\n" + &conv_bn("y", "s", 4)));
    let mut model = with_small_kernels(&model);
    model.weights.get_mut("a.weight").unwrap().data_mut()[3] = 0.2;
    model.weights.get_mut("a.bias").unwrap().data_mut()[3] = 1.0;
    let plan = removing(model.model.graph(), "a", 3);
    let images = random_array(5, &[2, 3, 8, 8]);
    let whole = outputs(&model, &images);
    let distance = |other: &Checkpoint| -> f64 {
        let other = outputs(other, &images);
        let pairs = whole.iter().zip(&other).flat_map(|(a, b)| a.data().iter().zip(b.data()));
        pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum()
    };
    let with = apply_compensated(&plan, &model).unwrap().0;
    let without = apply(&plan, &model).unwrap();
    assert!(distance(&with) < 0.1 * distance(&without), "{} {}", distance(&with), distance(&without));
}
