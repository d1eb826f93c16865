//! An allocator that keeps what is freed: a network makes and drops tensors of megabytes by the dozen, and the C library gives
//! each back to the system, which clears its pages again for the next one. A library leaves this choice to the program.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
