//! [`Epoch`]: an iterator over the batches of an epoch, which background threads prepare in advance.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::JoinHandle;

use crate::batch::ByteBatch;
use crate::batch_assembler::{BatchAssembler, Scratch};
use crate::{Batch, DataError};

/// The batches of one epoch, or of the rest of one, in order; an error is always the last item.
#[derive(Debug)]
pub struct Epoch {
    assembler: Arc<BatchAssembler>,
    order: Arc<[usize]>,
    number: u64,
    first: usize,
    next: usize,
    count: usize,
    /// Worker `k` of `w` makes the batches `first + k`, `first + k + w`, ...: taking turns keeps the order.
    workers: Vec<Worker>,
    /// Used only if there are no workers.
    scratch: Scratch,
}

#[derive(Debug)]
struct Worker {
    batches: Receiver<Result<ByteBatch, DataError>>,
    /// Sends the memory of a used batch back to the worker.
    spare: Sender<Vec<u8>>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn start(first: usize, epoch: u64, assembler: Arc<BatchAssembler>, order: Arc<[usize]>) -> Self {
        // No buffer: each worker is one batch ahead, the one that it waits to hand over.
        let (sender, batches) = sync_channel(0);
        let (spare, spares) = channel();
        let step = assembler.config.workers;
        let thread = std::thread::spawn(move || {
            let mut scratch = Scratch::default();
            let count = order.len().div_ceil(assembler.config.batch);
            for number in (first..count).step_by(step) {
                scratch.bytes = spares.try_recv().unwrap_or_default();
                let batch = assembler.batch(&order, epoch, number, &mut scratch);
                let failed = batch.is_err();
                if sender.send(batch).is_err() || failed {
                    break; // The iterator was dropped, or ends with the error.
                }
            }
        });
        Self { batches, spare, thread }
    }
}

impl Epoch {
    /// Starts the workers at batch `first`; `count` is the number of batches of a whole epoch.
    pub(crate) fn start(assembler: &Arc<BatchAssembler>, number: u64, first: usize, count: usize) -> Self {
        let first = first.min(count);
        let order: Arc<[usize]> = assembler.order(number).into();
        let workers = (0..assembler.config.workers.min(count - first))
            .map(|worker| Worker::start(first + worker, number, Arc::clone(assembler), Arc::clone(&order)))
            .collect();
        Self {
            assembler: Arc::clone(assembler),
            order,
            number,
            first,
            next: first,
            count,
            workers,
            scratch: Scratch::default(),
        }
    }
}

impl Epoch {
    /// Ends the epoch: no batch comes after an error.
    fn end(&mut self, error: DataError) -> DataError {
        self.next = self.count;
        error
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch, DataError>;

    /// The next batch, or the error that ends the epoch: an image can no longer be read, or is another one
    /// than at the scan.
    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.count {
            return None;
        }
        let batch = self.next;
        self.next += 1;
        if self.workers.is_empty() {
            let made = match self.assembler.batch(&self.order, self.number, batch, &mut self.scratch) {
                Ok(made) => made,
                Err(error) => return Some(Err(self.end(error))),
            };
            let (batch, bytes) = made.finish();
            self.scratch.bytes = bytes;
            return Some(Ok(batch));
        }
        let turn = (batch - self.first) % self.workers.len();
        let received = self.workers[turn].batches.recv();
        let made = received.unwrap_or_else(|_| {
            // A worker ends early only by a panic, which is a bug: let it surface in the caller's thread.
            let panic = self.workers.swap_remove(turn).thread.join().err();
            std::panic::resume_unwind(panic.unwrap_or_else(|| Box::new("a loader thread ended early")))
        });
        let made = match made {
            Ok(made) => made,
            Err(error) => return Some(Err(self.end(error))),
        };
        let (batch, bytes) = made.finish();
        // A worker that has made its last batch needs no memory.
        let _ = self.workers[turn].spare.send(bytes);
        Some(Ok(batch))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // An error ends the epoch early.
        (usize::from(self.next < self.count), Some(self.count - self.next))
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        // Drop all receivers first: a thread that waits to hand over a batch then ends.
        let threads: Vec<_> = self.workers.drain(..).map(|worker| worker.thread).collect();
        for thread in threads {
            // A panic was already reported by `next`, or its batch was never asked for.
            let _ = thread.join();
        }
    }
}
