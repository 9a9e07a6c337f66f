//! F4 dist: the Erlang distribution protocol, so far without a socket.
//! Imports: base, term, etf.
//!
//! Everything in this room is a codec or a state machine: bytes, answers and times go in, bytes, questions and events
//! come out. No thread, no clock, no socket, no random source. That is what lets one and the same code be driven by a
//! socket task, by a fuzzer, and by a link in memory.
//!
//! Invariant D1: what a peer sends can cost the connection, never more. No input panics, recurses without bound, or
//! takes memory out of proportion to the bytes that arrived; every table has a cap.
//! Locks: none; each object has one owner.
//!
//! Source: OTP distribution protocol (erts user's guide), checked against OTP 25.

pub mod connection;
pub mod control;
pub mod epmd;
pub mod flags;
pub mod frame;
pub mod handshake;
pub mod name;
pub mod nodes;
pub mod ticker;
