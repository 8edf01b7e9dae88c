//! [`Checkpoint::to_state_dict`]: exports weights as PyTorch's modules hold them.

use std::collections::HashMap;
use std::path::Path;

use bonsai_graph::{NodeId, Op, ParamRole};
use safetensors::tensor::{Dtype, TensorView};

use crate::import::WITHOUT_SILU;
use crate::{Checkpoint, CheckpointError, write_file};

impl Checkpoint {
    /// The weights as a state dict in safetensors, with Ultralytics' names and everything that
    /// `load_state_dict` requires: counters of batches (0) and the fixed weights of the head. A stock model
    /// loads it if the widths are stock.
    ///
    /// # Errors
    /// [`CheckpointError`] if the weights do not fit the graph.
    pub fn to_state_dict(&self) -> Result<Vec<u8>, CheckpointError> {
        let graph = self.model.graph();
        let params = graph.params();
        self.weights.verify(&params)?;
        let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        for param in &params {
            let array = self.weights.require(&param.name)?;
            tensors.push((param.name.clone(), Dtype::F32, array.shape().to_vec(), bytes(array.data())));
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
        // PyTorch's reader of safetensors requires this entry.
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        Ok(with_note(&safetensors::serialize(views, Some(metadata))?, &self.without_silu().join(" ")))
    }

    /// The blocks, such as `model.9.cv1`, without a SiLU after their convolution and batch norm.
    fn without_silu(&self) -> Vec<&str> {
        let graph = self.model.graph();
        let readers = graph.consumers();
        let next = |id: NodeId, is: fn(&Op) -> bool| {
            readers[id.index()].iter().copied().find(|reader| is(graph.node(*reader).op()))
        };
        let blocks = graph.iter().filter_map(|(id, node)| Some((id, node.name().strip_suffix(".conv")?)));
        let bare = blocks.filter(|(conv, _)| {
            let end = next(*conv, |op| matches!(op, Op::BatchNorm { .. })).unwrap_or(*conv);
            next(end, |op| matches!(op, Op::Silu)).is_none()
        });
        bare.map(|(_, block)| block).collect()
    }

    /// Writes [`Checkpoint::to_state_dict`] to a file, completely or not at all.
    ///
    /// # Errors
    /// As [`Checkpoint::to_state_dict`], and [`CheckpointError::Io`] with the path.
    pub fn save_state_dict(&self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        let path = path.as_ref();
        write_file(path, &self.to_state_dict()?)
    }
}

/// The file with one more entry in its header. The bytes are edited directly, because the serialiser would
/// write two entries in the order of a hash map.
fn with_note(file: &[u8], blocks: &str) -> Vec<u8> {
    const FORMAT: &[u8] = br#"{"format":"pt"}"#;
    let Some((length, rest)) = file.split_first_chunk::<8>() else { return file.to_vec() };
    let Some((header, tensors)) = rest.split_at_checked(u64::from_le_bytes(*length) as usize) else {
        return file.to_vec();
    };
    let Some(at) = header.windows(FORMAT.len()).position(|window| window == FORMAT) else {
        return file.to_vec();
    };
    let note = format!(r#"{{"{WITHOUT_SILU}":"{blocks}","format":"pt"}}"#);
    let mut header = [&header[..at], note.as_bytes(), &header[at + FORMAT.len()..]].concat();
    // Tensors must begin at a multiple of eight bytes.
    header.resize(header.len().next_multiple_of(8), b' ');
    [&(header.len() as u64).to_le_bytes()[..], &header, tensors].concat()
}
