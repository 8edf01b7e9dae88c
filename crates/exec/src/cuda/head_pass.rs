//! [`HeadPass`] of [`CudaExecutor`].

use bonsai_checkpoint::Array;
use bonsai_graph::DetectHead;

use super::executor::CudaExecutor;
use super::head::{Head, misfit};
use super::launcher::{Launcher, STAGING, bytes};
use super::step::int;
use crate::candle::out_of_memory;
use crate::plan::Key;
use crate::{ExecError, HeadGradient, HeadPass, HeadSummary, Mode};

impl HeadPass for CudaExecutor {
    fn forward_head(
        &mut self,
        images: &Array,
        head: &DetectHead,
        columns: &[[usize; 2]],
    ) -> Result<HeadSummary, ExecError> {
        self.has_values = false;
        let [n, _, h, w] = self.network.image_dims(images)?;
        if let Some([image, class]) = columns.iter().find(|c| c[0] >= n || c[1] >= head.num_classes) {
            let expected = format!("below {n} and {}", head.num_classes);
            return Err(misfit("image and class of a column", format!("{image} and {class}"), expected));
        }
        let key = Key { mode: Mode::Train, n, h, w, taps: self.taps.clone() };
        let pass = self.summarise(&key, images, head, columns);
        pass.map_err(|error| out_of_memory(error, Mode::Train, [n, h, w]))
    }

    fn box_logits(&mut self, anchors: &[[usize; 2]]) -> Result<Vec<f32>, ExecError> {
        let size = self.size_of_pass();
        self.read_box_logits(anchors).map_err(|error| out_of_memory(error, Mode::Train, size))
    }

    fn backward_head(&mut self, gradient: &HeadGradient<'_>) -> Result<(), ExecError> {
        let size = self.size_of_pass();
        self.run_backward_head(gradient).map_err(|error| out_of_memory(error, Mode::Train, size))
    }
}

impl CudaExecutor {
    fn read_box_logits(&mut self, anchors: &[[usize; 2]]) -> Result<Vec<f32>, ExecError> {
        let (gpu, head, from) = self.kept_head()?;
        let (rows, counts) = head.rows(anchors)?;
        let values = anchors.len() * 4 * head.detect.reg_max;
        gpu.grow(&mut self.staging, from + values)?;
        gpu.grow(&mut self.lists, rows.len())?;
        gpu.upload(&rows, &mut self.lists, 0)?;
        let bases = self.bases();
        // The borrow of the plan ended with the growth above.
        let (gpu, head, _) = self.kept_head()?;
        head.read_rows(&gpu, &bases, &self.lists, &counts, bases[STAGING] + bytes::<f32>(from))?;
        gpu.download(&self.staging, from..from + values)
    }

    fn run_backward_head(&mut self, gradient: &HeadGradient<'_>) -> Result<(), ExecError> {
        let (gpu, head, from) = self.kept_head()?;
        let (mut lists, counts) = head.rows(gradient.anchors)?;
        check(gradient, &head.detect)?;
        for (class, _) in gradient.class_terms {
            lists.push(int(*class)?);
        }
        let mut values = gradient.box_logits.to_vec();
        values.extend(gradient.class_terms.iter().map(|(_, term)| term));
        self.has_values = false;
        gpu.grow(&mut self.lists, lists.len())?;
        gpu.upload(&lists, &mut self.lists, 0)?;
        gpu.grow(&mut self.staging, from + values.len())?;
        gpu.upload(&values, &mut self.staging, from)?;
        let bases = self.bases();
        let plan = self.plans.last().expect("a plan is in use");
        let head = plan.head.as_ref().expect("checked above");
        let address = bases[STAGING] + bytes::<f32>(from);
        head.write_gradient(&gpu, &bases, &self.lists, &counts, address, gradient)?;
        gpu.run(&plan.backward, &bases)?;
        self.input_gradient = plan.input_gradient.as_ref().map(|wire| self.fetch(wire)).transpose()?;
        Ok(())
    }

    fn summarise(
        &mut self,
        key: &Key,
        images: &Array,
        head: &DetectHead,
        columns: &[[usize; 2]],
    ) -> Result<HeadSummary, ExecError> {
        self.use_plan(key)?;
        let plan = self.plans.last_mut().expect("a plan is in use");
        if plan.head.as_ref().is_none_or(|known| known.detect != *head) {
            plan.head = Some(Head::new(&self.gpu, key, [&plan.outputs, &plan.upstream], head)?);
        }
        let known = plan.head.as_ref().expect("set above");
        let from = plan.images_len;
        let sides = key.n * known.anchors * 4;
        let sums = known.sums();
        let all = sides + sums + columns.len() * known.anchors;
        // The outputs of a tiny network are smaller than the summary.
        self.gpu.grow(&mut self.staging, from + all)?;
        let list: Vec<i32> = columns.iter().flatten().map(|size| int(*size)).collect::<Result<_, _>>()?;
        self.gpu.grow(&mut self.lists, list.len())?;
        self.gpu.upload(&list, &mut self.lists, 0)?;
        self.run_network(key, images)?;
        let bases = self.bases();
        let to = bases[STAGING] + bytes::<f32>(from);
        let known = self.plans.last().and_then(|plan| plan.head.as_ref()).expect("set above");
        known.summarise(&self.gpu, &bases, to, &self.lists, columns.len())?;
        let mut distances = self.gpu.download(&self.staging, from..from + all)?;
        let mut rest = distances.split_off(sides);
        let logits = rest.split_off(sums);
        self.has_values = true;
        Ok(HeadSummary { distances, logits, softplus: rest.into_iter().map(f64::from).sum() })
    }

    /// Batch, height and width of the last plan.
    fn size_of_pass(&self) -> [usize; 3] {
        self.plans.last().map_or([0; 3], |plan| [plan.key.n, plan.key.h, plan.key.w])
    }

    /// The head of the last pass, and the place in staging after the images.
    fn kept_head(&self) -> Result<(Launcher, &Head, usize), ExecError> {
        let plan = self.last().filter(|plan| plan.key.mode == Mode::Train).ok_or(ExecError::NoForward)?;
        let head = plan.head.as_ref().ok_or(ExecError::NoForward)?;
        Ok((self.gpu.clone(), head, plan.images_len))
    }
}

/// Checks the lengths of a gradient and its classes.
fn check(gradient: &HeadGradient<'_>, head: &DetectHead) -> Result<(), ExecError> {
    let HeadGradient { anchors, class_terms, box_logits, .. } = gradient;
    let pairs = [
        ("class terms of a gradient", class_terms.len(), anchors.len()),
        ("box logits of a gradient", box_logits.len(), anchors.len() * 4 * head.reg_max),
    ];
    for (what, found, expected) in pairs {
        if found != expected {
            return Err(misfit(what, found.to_string(), format!("{expected} for {} anchors", anchors.len())));
        }
    }
    let mut sorted = anchors.to_vec();
    sorted.sort_unstable();
    if let Some([twice, _]) = sorted.array_windows().find(|[a, b]| a == b) {
        let expected = "each anchor at most once".to_owned();
        return Err(misfit("anchors of a gradient", format!("{twice:?} twice"), expected));
    }
    match class_terms.iter().find(|(class, _)| *class >= head.num_classes) {
        Some((class, _)) => {
            Err(misfit("class of a term", class.to_string(), format!("below {}", head.num_classes)))
        }
        None => Ok(()),
    }
}
