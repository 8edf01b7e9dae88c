//! Tests of interrupted runs: a run that stops inside a training resumes there, to the same bits.

use bonsai_pipeline::{
    Control, Interrupted, Manifest, Progress, Stage, StageState, StepRecord, markdown, run, run_stages,
};

use crate::tiny_run::{TinyRun, tiny_config};

/// Requests a stop once, after a number of steps of a stage.
pub(crate) struct StopAt {
    pub(crate) stage: Stage,
    pub(crate) after: usize,
    pub(crate) running: Option<Stage>,
    pub(crate) notes: Vec<String>,
}

impl Progress for StopAt {
    fn stage(&mut self, stage: Stage, state: &StageState) {
        self.running = matches!(state, StageState::Started(_)).then_some(stage);
    }

    fn step(&mut self, _: &StepRecord) {
        if self.running == Some(self.stage) {
            self.after = self.after.saturating_sub(1);
        }
    }

    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    fn stop(&mut self) -> bool {
        self.running == Some(self.stage) && self.after == 0
    }
}

fn three_epochs() -> TinyRun {
    let mut tiny = TinyRun::new();
    tiny.config = tiny_config();
    for training in [&mut tiny.config.baseline, &mut tiny.config.sparse, &mut tiny.config.finetune] {
        training.epochs = 3;
    }
    tiny
}

fn made(tiny: &TinyRun, stage: Stage) -> Vec<(String, String)> {
    let Manifest { outputs, .. } = tiny.manifest(stage);
    // Leave out tensorrt.json: the places searched for trtexec are in it, and they depend on the folder.
    outputs.into_iter().filter(|(name, _)| name != "tensorrt.json").collect()
}

#[test]
fn a_stopped_run_goes_on_inside_its_stage() {
    let whole = three_epochs();
    let (_, told) = whole.run();
    assert_eq!(told.steps, 3 * 3 * 2);
    let stopped = three_epochs();
    // In the middle of the second epoch, at its end, and after the very first step.
    for (stage, after) in [(Stage::Baseline, 3), (Stage::Sparse, 4), (Stage::Finetune, 1)] {
        let mut stop = StopAt { stage, after, running: None, notes: Vec::new() };
        let error = run(&stopped.config, &stopped.dir(), &mut stop).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Interrupted { stage }), "{error:#}");
        assert!(stopped.dir().partial(stage).join("last.safetensors").is_file());
    }
    let (report, told) = stopped.run();
    assert!(told.steps < 3 * 2, "the last stage began anew: {} steps", told.steps);
    // The times include the attempt before the stop, and the report mentions the interruption.
    let interruptions = |stage| stopped.manifest(stage).interruptions;
    assert_eq!([Stage::Baseline, Stage::Prune, Stage::Finetune].map(interruptions), [1, 0, 1]);
    assert!(markdown(&report).contains("| baseline (interrupted once) | "), "{}", markdown(&report));
    for stage in &whole.config.stages()[..7] {
        assert_eq!(made(&stopped, *stage), made(&whole, *stage), "{stage}");
    }
}

#[test]
fn an_attempt_with_other_settings_is_not_resumed() {
    let mut tiny = three_epochs();
    let mut stop = StopAt { stage: Stage::Baseline, after: 3, running: None, notes: Vec::new() };
    assert!(run(&tiny.config, &tiny.dir(), &mut stop).is_err());
    let key = tiny.dir().partial(Stage::Baseline).join("key");
    let before = std::fs::read_to_string(&key).unwrap();
    tiny.config.baseline.lr0 /= 2.0;
    let mut again = StopAt { stage: Stage::Baseline, after: 1, running: None, notes: Vec::new() };
    assert!(run(&tiny.config, &tiny.dir(), &mut again).is_err());
    assert_ne!(std::fs::read_to_string(&key).unwrap(), before);
    assert!(!again.notes.iter().any(|note| note.contains("goes on after")), "{:?}", again.notes);
}

#[test]
fn a_forced_stage_that_is_stopped_goes_on_when_it_is_forced_again() {
    let tiny = three_epochs();
    let until = Control { until: Some(Stage::Sparse), ..Control::default() };
    tiny.part(&until).unwrap();
    let forced = Control { force: vec![Stage::Sparse], ..until.clone() };
    let mut stop = StopAt { stage: Stage::Sparse, after: 3, running: None, notes: Vec::new() };
    let error = run_stages(&tiny.config, &tiny.dir(), &forced, &mut stop).unwrap_err();
    assert!(error.is::<Interrupted>(), "{error:#}");
    // The stage that was complete before is still complete.
    let (_, told) = tiny.part(&until).unwrap();
    assert_eq!(told.ran, []);
    let (_, told) = tiny.part(&forced).unwrap();
    assert_eq!(told.ran, [Stage::Sparse]);
    assert!(told.steps < 3 * 2, "it began anew: {} steps", told.steps);
}
