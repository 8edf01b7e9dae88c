//! [`Freeze`]: layers that are not trained.

use bonsai_graph::{Graph, Node};
use serde::{Deserialize, Serialize};

use crate::TrainError;

/// Layers whose parameters do not change, as Ultralytics defines `freeze`: a number freezes that many first
/// modules, a list names modules. Batch norms in frozen layers still update their running statistics, as in
/// Ultralytics.
///
/// ```
/// use bonsai_train::{Freeze, FrozenModule};
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     freeze: Freeze,
/// }
/// let read = |text: &str| serde_json::from_str::<Settings>(text).map(|s| s.freeze);
/// assert_eq!(read(r#"{ "freeze": 10 }"#)?, Freeze::First(10));
/// let listed = Freeze::Modules(vec![FrozenModule::Number(0), FrozenModule::Name("model.22.dfl".to_owned())]);
/// assert_eq!(read(r#"{ "freeze": [0, "model.22.dfl"] }"#)?, listed);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "`freeze` is a number of modules, or a list of module numbers and names")]
pub enum Freeze {
    /// The modules `model.0` to `model.{N - 1}`; 0 freezes nothing.
    First(usize),
    /// The listed modules.
    Modules(Vec<FrozenModule>),
}

/// One entry of a list of frozen modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a module is its number or its name")]
pub enum FrozenModule {
    /// `model.{number}`.
    Number(usize),
    /// A module, layer or parameter by name; a module's name is a prefix of its layers' names up to a dot.
    Name(String),
}

impl Default for Freeze {
    /// Freezes nothing.
    fn default() -> Self {
        Self::First(0)
    }
}

impl Freeze {
    /// The names of the parameters of `graph` that are frozen.
    ///
    /// # Errors
    /// [`TrainError::Freeze`] if an entry matches nothing in the graph, if all parameters would be frozen, or
    /// if no named module has parameters.
    pub fn parameters(&self, graph: &Graph) -> Result<Vec<String>, TrainError> {
        let wanted: Vec<String> = match self {
            Self::First(count) => (0..*count).map(numbered).collect(),
            Self::Modules(modules) => modules
                .iter()
                .map(|module| match module {
                    FrozenModule::Number(number) => numbered(*number),
                    FrozenModule::Name(name) => name.trim_end_matches('.').to_owned(),
                })
                .collect(),
        };
        let refused = |what: String| TrainError::Freeze { what, modules: modules(graph) };
        let params = graph.params();
        for name in &wanted {
            // A module without parameters may be listed, because a range of numbers includes such modules.
            let mut known =
                graph.nodes().iter().map(Node::name).chain(params.iter().map(|p| p.name.as_str()));
            if !known.any(|known| is_within(known, name)) {
                return Err(refused(format!("`{name}` is not a module, layer or parameter of this network")));
            }
        }
        let trained = || params.iter().filter(|p| p.role.is_trained());
        let frozen: Vec<String> = trained()
            .filter(|p| wanted.iter().any(|name| is_within(&p.name, name)))
            .map(|p| p.name.clone())
            .collect();
        if frozen.is_empty() && !wanted.is_empty() {
            return Err(refused(format!("`{}` has no parameters", wanted.join("`, `"))));
        }
        if frozen.len() == trained().count() {
            return Err(refused("all parameters are frozen, so there is nothing to train".to_owned()));
        }
        Ok(frozen)
    }
}

fn numbered(number: usize) -> String {
    format!("model.{number}")
}

/// Whether a layer or parameter is `module` or inside it: `model.2` contains `model.2.cv1` but not
/// `model.22.cv1`.
fn is_within(name: &str, module: &str) -> bool {
    name.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The modules with parameters: `model.N` for numbered names, otherwise the name up to the first dot.
fn modules(graph: &Graph) -> Vec<String> {
    let mut modules: Vec<String> = Vec::new();
    for param in graph.params() {
        let parts: Vec<&str> = param.name.split('.').collect();
        let numbered = parts.len() > 2 && parts[1].parse::<usize>().is_ok();
        let module = parts[..if numbered { 2 } else { 1 }].join(".");
        if !modules.contains(&module) {
            modules.push(module);
        }
    }
    modules
}

#[cfg(test)]
mod tests {
    use super::*;
    use bonsai_yolov8::{Scale, build};

    fn yolov8n() -> Graph {
        build(Scale::N, &["a".to_owned()]).unwrap().graph().clone()
    }

    fn name(name: &str) -> FrozenModule {
        FrozenModule::Name(name.to_owned())
    }

    #[test]
    fn a_number_is_the_first_modules() {
        let graph = yolov8n();
        let frozen = Freeze::First(3).parameters(&graph).unwrap();
        let expected: Vec<String> = graph
            .params()
            .into_iter()
            .filter(|p| ["model.0.", "model.1.", "model.2."].iter().any(|m| p.name.starts_with(m)))
            .filter(|p| p.role.is_trained())
            .map(|p| p.name)
            .collect();
        assert_eq!(frozen, expected);
        assert!(Freeze::default().parameters(&graph).unwrap().is_empty());
        // Modules 10 and 11 have no parameters, but come before modules that have.
        assert_eq!(
            Freeze::First(12).parameters(&graph).unwrap(),
            Freeze::First(10).parameters(&graph).unwrap()
        );
    }

    #[test]
    fn a_list_names_modules_layers_and_parameters() {
        let graph = yolov8n();
        let list = |modules| Freeze::Modules(modules).parameters(&graph).unwrap();
        assert_eq!(list(vec![FrozenModule::Number(0)]), Freeze::First(1).parameters(&graph).unwrap());
        assert_eq!(list(vec![name("model.0")]), list(vec![name("model.0.")]));
        assert_eq!(list(vec![name("model.2.cv1.bn")]), ["model.2.cv1.bn.weight", "model.2.cv1.bn.bias"]);
        assert_eq!(list(vec![name("model.2.cv1.conv.weight")]), ["model.2.cv1.conv.weight"]);
    }

    #[test]
    fn what_names_nothing_is_answered_with_the_modules() {
        let graph = yolov8n();
        for (freeze, what) in [
            (Freeze::First(24), "`model.23`"),
            (Freeze::Modules(vec![FrozenModule::Number(0), name("backbone")]), "`backbone`"),
            (Freeze::Modules(vec![name("model.2.cv1.b")]), "`model.2.cv1.b`"),
            (Freeze::Modules(vec![FrozenModule::Number(10)]), "`model.10` has no parameters"),
            (Freeze::First(23), "nothing to train"),
        ] {
            let text = freeze.parameters(&graph).unwrap_err().to_string();
            assert!(text.contains(what), "{text}");
            assert!(text.contains("model.0, model.1, model.2") && text.contains("model.22"), "{text}");
            assert!(!text.contains("model.10,"), "model.10 has no parameters: {text}");
        }
        let plain: Graph = "
            x = input() channels=3
            stem.conv = conv2d(x) out_channels=2 kernel=1 stride=1 padding=0 bias=true
            head = conv2d(stem.conv) out_channels=2 kernel=1 stride=1 padding=0 bias=true
            outputs = head"
            .parse()
            .unwrap();
        assert_eq!(Freeze::Modules(vec![name("stem")]).parameters(&plain).unwrap().len(), 2);
        let text = Freeze::First(1).parameters(&plain).unwrap_err().to_string();
        assert!(text.contains("modules are stem, head"), "{text}");
    }
}
