//! The instructions that are understood.

/// Names after `pickletools`, with the byte of each.
pub(super) mod op {
    pub(in crate::pt::pickle) const MARK: u8 = b'(';
    pub(in crate::pt::pickle) const STOP: u8 = b'.';
    pub(in crate::pt::pickle) const POP: u8 = b'0';
    pub(in crate::pt::pickle) const POP_MARK: u8 = b'1';
    pub(in crate::pt::pickle) const BINFLOAT: u8 = b'G';
    pub(in crate::pt::pickle) const BININT: u8 = b'J';
    pub(in crate::pt::pickle) const BININT1: u8 = b'K';
    pub(in crate::pt::pickle) const BININT2: u8 = b'M';
    pub(in crate::pt::pickle) const NONE: u8 = b'N';
    pub(in crate::pt::pickle) const BINPERSID: u8 = b'Q';
    pub(in crate::pt::pickle) const REDUCE: u8 = b'R';
    pub(in crate::pt::pickle) const BINSTRING: u8 = b'T';
    pub(in crate::pt::pickle) const SHORT_BINSTRING: u8 = b'U';
    pub(in crate::pt::pickle) const BINUNICODE: u8 = b'X';
    pub(in crate::pt::pickle) const APPEND: u8 = b'a';
    pub(in crate::pt::pickle) const BUILD: u8 = b'b';
    pub(in crate::pt::pickle) const GLOBAL: u8 = b'c';
    pub(in crate::pt::pickle) const APPENDS: u8 = b'e';
    pub(in crate::pt::pickle) const BINGET: u8 = b'h';
    pub(in crate::pt::pickle) const LONG_BINGET: u8 = b'j';
    pub(in crate::pt::pickle) const BINPUT: u8 = b'q';
    pub(in crate::pt::pickle) const LONG_BINPUT: u8 = b'r';
    pub(in crate::pt::pickle) const SETITEM: u8 = b's';
    pub(in crate::pt::pickle) const TUPLE: u8 = b't';
    pub(in crate::pt::pickle) const SETITEMS: u8 = b'u';
    pub(in crate::pt::pickle) const EMPTY_DICT: u8 = b'}';
    pub(in crate::pt::pickle) const EMPTY_LIST: u8 = b']';
    pub(in crate::pt::pickle) const EMPTY_TUPLE: u8 = b')';
    pub(in crate::pt::pickle) const PROTO: u8 = 0x80;
    pub(in crate::pt::pickle) const NEWOBJ: u8 = 0x81;
    pub(in crate::pt::pickle) const TUPLE1: u8 = 0x85;
    pub(in crate::pt::pickle) const TUPLE2: u8 = 0x86;
    pub(in crate::pt::pickle) const TUPLE3: u8 = 0x87;
    pub(in crate::pt::pickle) const NEWTRUE: u8 = 0x88;
    pub(in crate::pt::pickle) const NEWFALSE: u8 = 0x89;
    pub(in crate::pt::pickle) const LONG1: u8 = 0x8a;
    pub(in crate::pt::pickle) const BINBYTES: u8 = b'B';
    pub(in crate::pt::pickle) const SHORT_BINBYTES: u8 = b'C';
    pub(in crate::pt::pickle) const SHORT_BINUNICODE: u8 = 0x8c;
    pub(in crate::pt::pickle) const EMPTY_SET: u8 = 0x8f;
    pub(in crate::pt::pickle) const ADDITEMS: u8 = 0x90;
    pub(in crate::pt::pickle) const FROZENSET: u8 = 0x91;
    pub(in crate::pt::pickle) const STACK_GLOBAL: u8 = 0x93;
    pub(in crate::pt::pickle) const MEMOIZE: u8 = 0x94;
    pub(in crate::pt::pickle) const FRAME: u8 = 0x95;
}
