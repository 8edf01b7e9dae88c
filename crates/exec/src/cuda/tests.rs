//! Tests that need no GPU: every launch fits the signature of its kernel.

use std::collections::{BTreeMap, BTreeSet};

use bonsai_graph::Graph;
use bonsai_testkit::{RandomGraphConfig, random_model};

use super::backend::CudaBackend;
use super::step::{Arg, CudaProgram};
use crate::plan::{Key, Network, ParamMap, Planner};
use crate::{ComputePrecision, Mode};

/// The types of the parameters of all kernels, by name, read from their sources.
fn signatures() -> BTreeMap<String, Vec<&'static str>> {
    let sources = [
        include_str!("../../cuda/pointwise.cuh"),
        include_str!("../../cuda/norm.cuh"),
        include_str!("../../cuda/sums.cuh"),
        include_str!("../../cuda/spatial.cuh"),
        include_str!("../../cuda/weights.cuh"),
        include_str!("../../cuda/conv_forward.cuh"),
        include_str!("../../cuda/conv_input.cuh"),
        include_str!("../../cuda/conv_weight.cuh"),
        include_str!("../../cuda/depthwise.cuh"),
    ];
    let mut all = BTreeMap::new();
    for kernel in sources.into_iter().flat_map(|text| text.split("__launch_bounds__(THREADS) ").skip(1)) {
        let (name, rest) = kernel.split_once('(').unwrap();
        let params = rest.split_once(") {").unwrap().0;
        let kind = |param: &str| match param.trim() {
            p if p.contains('*') => "pointer",
            p if p.starts_with("Rows ") => "rows",
            p if p.starts_with("int ") => "int",
            p if p.starts_with("float ") => "float",
            p if p.starts_with("Window ") => "window",
            p => panic!("unknown type in `{p}`"),
        };
        let kinds: Vec<_> = params.split(',').map(kind).collect();
        // Six variants of one macro.
        let variants = ["16", "32", "64", "16_tf32", "32_tf32", "64_tf32"];
        let names = match name.strip_suffix("##NAME") {
            Some(stem) => variants.map(|variant| format!("{stem}{variant}")).to_vec(),
            None => vec![name.to_owned()],
        };
        all.extend(names.into_iter().map(|name| (name, kinds.clone())));
    }
    all
}

/// All programs of a network for training and inference.
fn programs(graph: &Graph, [n, h, w]: [usize; 3], precision: ComputePrecision) -> Vec<CudaProgram> {
    let network = Network::new(graph);
    let params = ParamMap::new(graph, &network.channels);
    let planner = Planner { network: &network, params: &params, backend: CudaBackend { precision } };
    let key = |mode| Key { mode, n, h, w, taps: Vec::new() };
    let folded = planner.fold(&key(Mode::Eval)).unwrap();
    let plans = [
        planner.plan(&key(Mode::Train), None).unwrap(),
        planner.plan(&key(Mode::Eval), Some(&folded)).unwrap(),
    ];
    let mut all = vec![folded.make];
    for plan in plans {
        assert!(plan.prepare.steps.is_empty(), "nothing runs this program on a GPU");
        all.extend([plan.forward, plan.backward]);
    }
    all
}

#[test]
fn every_launch_fits_its_kernel() {
    let signatures = signatures();
    let mut used = BTreeSet::new();
    for seed in 0..200 {
        let model =
            random_model(seed, &RandomGraphConfig { max_channels: 70, ..RandomGraphConfig::default() });
        let programs = ComputePrecision::ALL
            .map(|precision| programs(model.spec().graph(), [2, model.h, model.w], precision));
        for step in programs.iter().flatten().flat_map(|p| &p.steps) {
            let kinds: Vec<_> = step
                .args
                .iter()
                .map(|arg| match arg {
                    Arg::At(_) | Arg::Null | Arg::Table(_) => "pointer",
                    Arg::Rows(_) | Arg::NoRows => "rows",
                    Arg::Int(_) => "int",
                    Arg::Float(_) => "float",
                    Arg::Window(_) => "window",
                })
                .collect();
            assert_eq!(kinds, signatures[step.kernel], "{} in seed {seed}", step.kernel);
            used.insert(step.kernel);
        }
    }
    let unused: Vec<_> = signatures.keys().filter(|name| !used.contains(name.as_str())).collect();
    assert!(unused.is_empty(), "no random network uses {unused:?}");
}

/// The generic executor needs 5,861 launches for a step of this network.
#[test]
fn a_step_of_yolov8n_has_few_launches() {
    let names: Vec<String> = (0..80).map(|i| format!("class{i}")).collect();
    let model = bonsai_yolov8::build(bonsai_yolov8::Scale::N, &names).unwrap();
    let launches = |programs: &[CudaProgram]| programs.iter().map(|p| p.steps.len()).collect::<Vec<_>>();
    let counts = launches(&programs(model.graph(), [16, 640, 640], ComputePrecision::F32));
    assert!(counts[1] + counts[2] < 800, "{counts:?}");
}
