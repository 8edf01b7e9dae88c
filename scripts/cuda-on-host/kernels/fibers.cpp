// Runs the blocks of a grid one after another. Each thread of a block is a fiber.
//
// A fiber runs until it reaches a barrier or a warp operation, or ends. A warp runs as far as it can before the next one
// starts, and the order of the warps alternates from block to block. So a missing barrier shows: a thread reads what
// another has not written yet, which is poison. A GPU may run threads in this order; it seldom does.
#include <elf.h>
#include <link.h>
#include <sys/mman.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "device.h"

#ifndef __x86_64__
#error "switch_stack is written for x86-64"
#endif

// Saves the registers that a call must keep, changes to another stack, and restores them from there.
extern "C" void switch_stack(void** save, void* load);
asm(R"(
.text
.globl switch_stack
switch_stack:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
)");

namespace host {
dim3 thread, block, block_dim, grid_dim;

namespace {
constexpr size_t SAVED_REGISTERS = 6;
// Bytes of shared memory before a block. As floats they are NaN.
constexpr unsigned char POISON = 0xff;
constexpr size_t PAGE = 4096;
constexpr size_t STACK = 16 * PAGE;

enum class State : uint8_t { READY, AT_BARRIER, AT_WARP, DONE };

struct Fiber {
    void* pointer;  // saved stack pointer; null before the fiber's start
    char* stack;
    State state;
};

// One grid runs at a time, so all of this exists once.
std::vector<Fiber> fibers;
std::vector<char*> free_stacks;
std::vector<Shown> shown, showing;  // by warp: of the last operation, and of the one that gathers
void* scheduler;
size_t now;
void (*entry)(void**);
void** arguments;
// Lives in the same memory as the kernels' shared variables.
thread_local char anchor;

// The lowest page is a guard, so that an overflow ends the program.
char* new_stack() {
    void* at = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || mprotect(at, PAGE, PROT_NONE) != 0) {
        fprintf(stderr, "cuda-on-host: no memory for the stacks of %zu threads\n", fibers.size());
        abort();
    }
    return (char*)at;
}

void body() {
    entry(arguments);
    fibers[now].state = State::DONE;
    switch_stack(&fibers[now].pointer, scheduler);
    __builtin_unreachable();
}

void start(Fiber& fiber) {
    if (free_stacks.empty()) free_stacks.push_back(new_stack());
    fiber.stack = free_stacks.back();
    free_stacks.pop_back();
    // The stack as `switch_stack` leaves it, with `body` as the address to return to. A function expects the stack
    // pointer 8 bytes below a multiple of 16.
    void** top = (void**)(fiber.stack + STACK) - 2;
    *top = (void*)body;
    void** saved = top - SAVED_REGISTERS;
    std::fill(saved, top, nullptr);
    fiber.pointer = saved;
}

// Runs a fiber until it waits or ends.
void resume(size_t index) {
    Fiber& fiber = fibers[index];
    if (fiber.pointer == nullptr) start(fiber);
    now = index;
    const unsigned i = (unsigned)index;
    thread = {i % block_dim.x, i / block_dim.x % block_dim.y, i / block_dim.x / block_dim.y};
    switch_stack(&scheduler, fiber.pointer);
    if (fiber.state == State::DONE) {
        free_stacks.push_back(fiber.stack);
        fiber.stack = nullptr;
    }
}

void wait(State state) {
    const size_t own = now;
    fibers[own].state = state;
    switch_stack(&fibers[own].pointer, scheduler);
}

// Runs a warp until all of its fibers wait at a barrier or have ended.
void run_warp(size_t warp) {
    const size_t first = warp * WARP, last = std::min(fibers.size(), first + WARP);
    for (bool shows = true; shows;) {
        for (size_t i = first; i < last; i++) {
            if (fibers[i].state == State::READY) resume(i);
        }
        shows = false;
        for (size_t i = first; i < last; i++) {
            if (fibers[i].state != State::AT_WARP) continue;
            fibers[i].state = State::READY;
            shows = true;
        }
        if (shows) {
            shown[warp] = showing[warp];
            showing[warp].lanes = 0;
        }
    }
}

void run_block(bool ascending) {
    const size_t threads = (size_t)block_dim.x * block_dim.y * block_dim.z;
    const size_t warps = (threads + WARP - 1) / WARP;
    fibers.assign(threads, Fiber{nullptr, nullptr, State::READY});
    shown.resize(warps);
    showing.resize(warps);
    for (Shown& of_warp : showing) of_warp.lanes = 0;
    for (bool left = true; left;) {
        for (size_t i = 0; i < warps; i++) run_warp(ascending ? i : warps - 1 - i);
        // All fibers that have not ended wait at a barrier: it opens.
        left = false;
        for (Fiber& fiber : fibers) {
            if (fiber.state != State::AT_BARRIER) continue;
            fiber.state = State::READY;
            left = true;
        }
    }
}

struct Segment {
    const void* inside;
    char* at;
    size_t bytes;
};

// The memory of the shared variables of this library in this thread of the host.
Segment shared_memory() {
    anchor = (char)POISON;  // the first access allocates it
    Segment segment{(const void*)&shared_memory, nullptr, 0};
    dl_iterate_phdr(
        [](dl_phdr_info* info, size_t, void* data) {
            Segment& segment = *(Segment*)data;
            bool own = false;
            size_t bytes = 0;
            for (int i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr)& header = info->dlpi_phdr[i];
                const uintptr_t from = info->dlpi_addr + header.p_vaddr, at = (uintptr_t)segment.inside;
                own |= header.p_type == PT_LOAD && at >= from && at < from + header.p_memsz;
                if (header.p_type == PT_TLS) bytes = header.p_memsz;
            }
            if (!own) return 0;
            segment.at = (char*)info->dlpi_tls_data;
            segment.bytes = bytes;
            return 1;
        },
        &segment);
    return segment;
}

bool is_poison(const Segment& shared) {
    return std::all_of(shared.at, shared.at + shared.bytes, [](char byte) { return (unsigned char)byte == POISON; });
}

std::map<std::string, HostKernel>& kernels() {
    static std::map<std::string, HostKernel> all;
    return all;
}
}  // namespace

void add(const HostKernel& kernel) { kernels()[kernel.name] = kernel; }

void barrier() { wait(State::AT_BARRIER); }

const Shown& show(const void* value, size_t bytes) {
    const size_t warp = now / WARP;
    showing[warp].lanes |= 1u << lane();
    if (bytes > 0) memcpy(showing[warp].of[lane()], value, bytes);
    wait(State::AT_WARP);
    return shown[warp];
}

int lane() { return (int)(now % WARP); }
}  // namespace host

// The kernel of that name, or null.
extern "C" const HostKernel* host_kernel(const char* name) {
    const auto found = host::kernels().find(name);
    return found == host::kernels().end() ? nullptr : &found->second;
}

// Runs a grid to its end. `at` points to the values of the arguments. Not for two threads of the host at once.
extern "C" void host_launch(const HostKernel* kernel, const unsigned* grid, const unsigned* threads, void** at) {
    using namespace host;
    grid_dim = {grid[0], grid[1], grid[2]};
    block_dim = {threads[0], threads[1], threads[2]};
    entry = kernel->call;
    arguments = at;
    const Segment shared = shared_memory();
    bool first = true, shares = shared.at != nullptr, ascending = true;
    for (block.z = 0; block.z < grid_dim.z; block.z++) {
        for (block.y = 0; block.y < grid_dim.y; block.y++) {
            for (block.x = 0; block.x < grid_dim.x; block.x++) {
                if (shares) memset(shared.at, POISON, shared.bytes);
                run_block(ascending);
                ascending = !ascending;
                // A kernel whose first block wrote no shared memory has none.
                if (first && shares) shares = !is_poison(shared);
                first = false;
            }
        }
    }
}
