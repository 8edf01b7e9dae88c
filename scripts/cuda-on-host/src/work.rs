//! How the driver runs work: at once, or when something must wait for it.

use crate::driver::Driver;
use crate::job::{Job, Key};
use crate::streams::key_of;
use crate::{CAPTURE_UNSUPPORTED, Handle, INVALID_HANDLE, SUCCESS, Status};

impl Driver {
    /// Puts work on a stream.
    pub(crate) fn submit(&mut self, stream: Handle, job: Job) -> Status {
        if !self.streams.is_known(stream) {
            return INVALID_HANDLE;
        }
        if let Some(captured) = &mut self.streams.stream(key_of(stream)).captured {
            let Job::Launch(launch) = job else { return CAPTURE_UNSUPPORTED };
            captured.push(launch);
            return SUCCESS;
        }
        if !self.streams.late {
            self.perform(job);
            return SUCCESS;
        }
        let key = key_of(stream);
        let queue = self.streams.stream(key);
        queue.jobs.push_back(job);
        queue.submitted += 1;
        if key.0 == 0 {
            // The legacy stream waits for all streams that can block, and they wait for it. So its work runs at once.
            self.run_blocking();
        }
        SUCCESS
    }

    /// Runs all work of the legacy stream, and of the streams that it waits for.
    pub(crate) fn run_blocking(&mut self) {
        let blocking = self.streams.streams.iter().filter(|(key, stream)| key.0 != 0 && !stream.non_blocking);
        let blocking: Vec<Key> = blocking.map(|(key, _)| *key).collect();
        blocking.into_iter().for_each(|key| self.run(key));
        self.run((0, 0));
    }

    /// Runs all work of a stream.
    pub(crate) fn run(&mut self, key: Key) {
        let submitted = self.streams.stream(key).submitted;
        self.run_until(key, submitted);
    }

    /// Runs all work of all streams.
    pub(crate) fn run_all(&mut self) {
        let keys: Vec<Key> = self.streams.streams.keys().copied().collect();
        keys.into_iter().for_each(|key| self.run(key));
    }

    /// Runs a stream until it has done that many jobs.
    pub(crate) fn run_until(&mut self, key: Key, count: u64) {
        while self.is_pending(key, count) {
            self.run_one(key);
        }
    }

    /// Whether a stream has done fewer jobs than that. A stream that was destroyed has done all of its jobs.
    pub(crate) fn is_pending(&self, key: Key, count: u64) -> bool {
        self.streams.streams.get(&key).is_some_and(|stream| stream.done < count)
    }

    /// Runs the next job of a stream, if there is one.
    pub(crate) fn run_one(&mut self, key: Key) {
        let Some(stream) = self.streams.streams.get_mut(&key) else { return };
        if let Some(job) = stream.jobs.pop_front() {
            stream.done += 1;
            self.perform(job);
        }
    }

    fn perform(&mut self, job: Job) {
        match job {
            Job::Launch(launch) => {
                self.running = Some(launch.kernel.name());
                launch.run(&self.kernels);
                self.running = None;
            }
            Job::Transfer(transfer) => transfer.run(&self.memory),
            Job::Product(product) => product.run(&self.memory),
            Job::Free(at) => {
                self.memory.free(at);
                self.counts.freed();
            }
            Job::Wait(key, count) => self.run_until(key, count),
        }
    }

    /// Waits for a stream, as the host.
    pub(crate) fn wait_for(&mut self, stream: Handle) -> Status {
        if !self.streams.is_known(stream) {
            return INVALID_HANDLE;
        }
        if self.streams.stream(key_of(stream)).captured.is_some() {
            return CAPTURE_UNSUPPORTED;
        }
        self.counts.waited();
        self.run(key_of(stream));
        SUCCESS
    }
}
