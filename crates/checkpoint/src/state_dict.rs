//! The other way: weights as PyTorch's modules would hold them.

use std::collections::HashMap;
use std::path::Path;

use bonsai_graph::ParamRole;
use safetensors::tensor::{Dtype, TensorView};

use crate::{Checkpoint, CheckpointError, write_file};

impl Checkpoint {
    /// The weights as a state dict in safetensors, with Ultralytics' names and everything that `load_state_dict` asks for:
    /// counters of batches (0) and the fixed weights of the head. A stock model takes it where the widths are stock.
    ///
    /// # Errors
    /// [`CheckpointError`] if the weights are not those of the graph.
    pub fn to_state_dict(&self) -> Result<Vec<u8>, CheckpointError> {
        let graph = self.model.graph();
        let params = graph.params();
        self.weights.verify(&params)?;
        let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        for param in &params {
            let array = self.weights.require(&param.name)?;
            tensors.push((param.name.clone(), Dtype::F32, array.shape.clone(), bytes(&array.data)));
            if param.role == ParamRole::BnVar {
                let layer = graph.node(param.node).name();
                tensors.push((format!("{layer}.num_batches_tracked"), Dtype::I64, Vec::new(), vec![0; 8]));
            }
        }
        let head = self.model.head();
        let boxes = head.box_outputs.first().map(|output| graph.node(graph.outputs()[*output]).name());
        if let Some((module, _)) = boxes.and_then(|name| name.split_once(".cv2.")) {
            let bins: Vec<f32> = (0..head.reg_max).map(|bin| bin as f32).collect();
            let shape = vec![1, head.reg_max, 1, 1];
            tensors.push((format!("{module}.dfl.conv.weight"), Dtype::F32, shape, bytes(&bins)));
        }
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, CheckpointError>>()?;
        // What PyTorch's reader of safetensors looks for.
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        Ok(safetensors::serialize(views, Some(metadata))?)
    }

    /// Writes [`Checkpoint::to_state_dict`], whole or not at all.
    ///
    /// # Errors
    /// As there, and [`CheckpointError::Io`] with the path.
    pub fn save_state_dict(&self, path: &Path) -> Result<(), CheckpointError> {
        write_file(path, &self.to_state_dict()?)
    }
}
