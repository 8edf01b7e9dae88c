//! [`Launch`]: which rank this process is, by the variables that launchers set.

use crate::CollectiveError;

/// The rank of a process that a launcher started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// Number of the process among all, from 0.
    pub rank: usize,
    /// Number of processes.
    pub world: usize,
    /// Number of the process among those of its machine, from 0; it chooses the GPU.
    pub local_rank: usize,
    /// Number of processes of its machine; they share its cores.
    pub local_world: usize,
}

/// Variables of a launcher: rank, world, local rank, local world.
struct Launcher {
    name: &'static str,
    variables: [&'static str; 4],
}

/// Slurm's list of the numbers of tasks on the nodes.
const TASKS_PER_NODE: &str = "SLURM_STEP_TASKS_PER_NODE";

/// In the order in which they are asked: a process that `torchrun` starts inside a job of Slurm has the variables of both.
const LAUNCHERS: [Launcher; 4] = [
    Launcher { name: "torchrun", variables: ["RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"] },
    Launcher {
        name: "Open MPI's mpirun",
        variables: [
            "OMPI_COMM_WORLD_RANK",
            "OMPI_COMM_WORLD_SIZE",
            "OMPI_COMM_WORLD_LOCAL_RANK",
            "OMPI_COMM_WORLD_LOCAL_SIZE",
        ],
    },
    Launcher {
        name: "MPICH's mpiexec",
        variables: ["PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"],
    },
    Launcher {
        name: "srun",
        variables: ["SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", TASKS_PER_NODE],
    },
];

impl Launch {
    /// The rank of this process; `None` if no launcher started it.
    ///
    /// # Errors
    /// [`CollectiveError::Launch`] if the variables of a launcher are incomplete or contradict each other.
    pub fn of_process() -> Result<Option<Self>, CollectiveError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// As [`Launch::of_process`], with variables from `get`.
    ///
    /// # Errors
    /// As [`Launch::of_process`].
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, CollectiveError> {
        for Launcher { name, variables } in LAUNCHERS {
            // The rank and the world decide. A shell in an allocation of Slurm has other variables of it.
            let [rank, world, local_rank, local_world] =
                variables.map(|variable| get(variable).map(|text| (variable, text)));
            let (Some(rank), Some(world)) = (rank, world) else { continue };
            let world = number(name, &world)?;
            let rank = number(name, &rank)?;
            let local_rank = local_rank.map_or(Ok(rank), |text| number(name, &text))?;
            let local_world = local_world.map_or(Ok(world), |(variable, text)| {
                let own = if variable == TASKS_PER_NODE {
                    tasks_of_node(&text, get("SLURM_NODEID"))
                } else {
                    Some(text.clone())
                };
                number(name, &(variable, own.unwrap_or(text)))
            })?;
            if rank >= world || local_rank >= local_world || local_world > world {
                return Err(CollectiveError::Launch {
                    found: format!(
                        "{name} says rank {rank} of {world}, and {local_rank} of {local_world} on this machine"
                    ),
                    expected: "ranks below their number".to_owned(),
                });
            }
            return Ok(Some(Self { rank, world, local_rank, local_world }));
        }
        Ok(None)
    }
}

/// The number of tasks on a node in Slurm's list, which has `2(x3)` for two tasks on each of three nodes.
fn tasks_of_node(list: &str, node: Option<String>) -> Option<String> {
    let mut node: usize = node.map_or(Some(0), |node| node.parse().ok())?;
    for part in list.split(',') {
        let (tasks, nodes) = match part.split_once("(x") {
            Some((tasks, nodes)) => (tasks, nodes.strip_suffix(')')?.parse().ok()?),
            None => (part, 1),
        };
        if node < nodes {
            return Some(tasks.to_owned());
        }
        node -= nodes;
    }
    None
}

/// A number of a launcher.
fn number(launcher: &str, (variable, text): &(&str, String)) -> Result<usize, CollectiveError> {
    text.trim().parse().map_err(|_| CollectiveError::Launch {
        found: format!("{variable}={text:?} (of {launcher})"),
        expected: "a number".to_owned(),
    })
}
