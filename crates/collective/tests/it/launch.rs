//! [`Launch`]: the variables that launchers set.

use bonsai_collective::{CollectiveError, Launch};

fn launch(variables: &[(&str, &str)]) -> Result<Option<Launch>, CollectiveError> {
    let get =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Launch::from_variables(get)
}

#[test]
fn every_launcher_is_known() {
    let torchrun = [
        ("RANK", "5"),
        ("WORLD_SIZE", "8"),
        ("LOCAL_RANK", "1"),
        ("LOCAL_WORLD_SIZE", "4"),
        ("MASTER_ADDR", "a"),
    ];
    assert_eq!(launch(&torchrun), Ok(Some(Launch { rank: 5, world: 8, local_rank: 1, local_world: 4 })));
    let mpirun = [
        ("OMPI_COMM_WORLD_RANK", "1"),
        ("OMPI_COMM_WORLD_SIZE", "2"),
        ("OMPI_COMM_WORLD_LOCAL_RANK", "1"),
        ("OMPI_COMM_WORLD_LOCAL_SIZE", "2"),
    ];
    assert_eq!(launch(&mpirun), Ok(Some(Launch { rank: 1, world: 2, local_rank: 1, local_world: 2 })));
    let mpiexec = [("PMI_RANK", "0"), ("PMI_SIZE", "3")];
    assert_eq!(launch(&mpiexec), Ok(Some(Launch { rank: 0, world: 3, local_rank: 0, local_world: 3 })));
    let srun = [
        ("SLURM_PROCID", "3"),
        ("SLURM_STEP_NUM_TASKS", "6"),
        ("SLURM_LOCALID", "1"),
        ("SLURM_STEP_TASKS_PER_NODE", "2(x3)"),
    ];
    assert_eq!(launch(&srun), Ok(Some(Launch { rank: 3, world: 6, local_rank: 1, local_world: 2 })));
    let node = |node: &'static str, list: &'static str, local: &'static str| {
        let variables = [("SLURM_PROCID", "2"), ("SLURM_STEP_NUM_TASKS", "7"), ("SLURM_LOCALID", local)];
        launch(&[&variables[..], &[("SLURM_STEP_TASKS_PER_NODE", list), ("SLURM_NODEID", node)]].concat())
    };
    assert_eq!(node("1", "1,2(x3)", "1").unwrap().unwrap().local_world, 2);
    assert_eq!(node("0", "1,2(x3)", "0").unwrap().unwrap().local_world, 1);
    assert!(node("4", "1,2(x3)", "0").is_err(), "the list has four nodes");
    // The innermost launcher counts.
    assert_eq!(launch(&[&srun[..], &torchrun[..]].concat()).unwrap().unwrap().rank, 5);
    assert_eq!(launch(&[]), Ok(None));
    // A shell in an allocation of Slurm is no task of a step.
    assert_eq!(launch(&[("SLURM_PROCID", "0"), ("SLURM_JOB_ID", "7")]), Ok(None));
}

#[test]
fn variables_that_contradict_each_other_are_refused() {
    for (variables, found) in [
        ([("RANK", "two"), ("WORLD_SIZE", "4")], "RANK=\"two\" (of torchrun)"),
        ([("RANK", "4"), ("WORLD_SIZE", "4")], "rank 4 of 4"),
        ([("PMI_RANK", "0"), ("PMI_SIZE", "")], "PMI_SIZE=\"\""),
    ] {
        let error = launch(&variables).unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
    }
}
