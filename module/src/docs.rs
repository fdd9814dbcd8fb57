//! What `COMMAND DOCS` tells of each command, and its ACL categories where the server takes those of
//! a module.
//!
//! Hosts stand inside payloads, or are named by address, which is not the key's name: so no command
//! declares key positions, but for the queue's.

use std::ffi::{CStr, c_int};

use redis_module::{Context, raw};

struct Doc {
    name: &'static CStr,
    summary: &'static CStr,
    complexity: &'static CStr,
    /// Words of a call with the command; negative: at least so many.
    arity: c_int,
    effect: Effect,
    arguments: &'static [Argument],
}

/// What a command does with hosts, as ACL categories have it.
#[derive(Clone, Copy)]
enum Effect {
    Reads,
    Writes,
}

struct Argument {
    name: &'static CStr,
    kind: Kind,
    /// A word that stands before it.
    token: Option<&'static CStr>,
    flags: u32,
}

enum Kind {
    Text,
    /// The first key of the command.
    Key,
    Integer,
    UnixTime,
    Pattern,
    /// Just its token.
    Token,
    OneOf(&'static [Argument]),
    /// All, in this order.
    Block(&'static [Argument]),
}

impl Argument {
    const fn new(name: &'static CStr, kind: Kind) -> Self {
        Self { name, kind, token: None, flags: raw::REDISMODULE_CMD_ARG_NONE }
    }

    const fn text(name: &'static CStr) -> Self {
        Self::new(name, Kind::Text)
    }

    const fn word(name: &'static CStr, token: &'static CStr) -> Self {
        Self::new(name, Kind::Token).after(token)
    }

    const fn after(self, token: &'static CStr) -> Self {
        Self { token: Some(token), ..self }
    }

    const fn optional(self) -> Self {
        Self { flags: self.flags | raw::REDISMODULE_CMD_ARG_OPTIONAL, ..self }
    }

    const fn multiple(self) -> Self {
        Self { flags: self.flags | raw::REDISMODULE_CMD_ARG_MULTIPLE, ..self }
    }
}

const ADDRESS: Argument = Argument::text(c"address");
const PLUGIN: Argument = Argument::text(c"plugin");
const KEY: Argument = Argument::text(c"key");
const PAYLOADS: Argument = Argument::text(c"payload").multiple();

const DOCS: [Doc; 15] = [
    Doc {
        name: c"kurado.push",
        summary: c"Accepts agents' lines: [address TAB] plugin.type.key TAB value TAB unixtime.",
        complexity: c"O(N) where N is the number of lines",
        arity: -2,
        effect: Effect::Writes,
        arguments: &[PAYLOADS],
    },
    Doc {
        name: c"kurado.meta",
        summary: c"A container for commands of information without history.",
        complexity: c"Depends on subcommand.",
        arity: -2,
        effect: Effect::Reads,
        arguments: &[],
    },
    Doc {
        name: c"kurado.meta|set",
        summary: c"Accepts lines of type meta; they are kept for an hour.",
        complexity: c"O(N) where N is the number of lines",
        arity: -3,
        effect: Effect::Writes,
        arguments: &[PAYLOADS],
    },
    Doc {
        name: c"kurado.meta|get",
        summary: c"Reads the meta of a host, of its plugin, or one of them.",
        complexity: c"O(N) where N is the number of texts",
        arity: -3,
        effect: Effect::Reads,
        arguments: &[
            ADDRESS,
            Argument::new(c"of", Kind::Block(&[PLUGIN, KEY.optional()])).optional(),
        ],
    },
    Doc {
        name: c"kurado.meta|del",
        summary: c"Deletes the meta of a plugin, or one of them.",
        complexity: c"O(N) where N is the number of texts deleted",
        arity: -4,
        effect: Effect::Writes,
        arguments: &[ADDRESS, PLUGIN, KEY.optional()],
    },
    Doc {
        name: c"kurado.meta|help",
        summary: c"Returns helpful text about the subcommands.",
        complexity: c"O(1)",
        arity: 2,
        effect: Effect::Reads,
        arguments: &[],
    },
    Doc {
        name: c"kurado.queue",
        summary: c"Accepts lines of agents that send RPUSH kurado-update, which becomes this.",
        complexity: c"O(N) where N is the number of lines",
        arity: -3,
        effect: Effect::Writes,
        arguments: &[Argument::new(c"key", Kind::Key), PAYLOADS],
    },
    Doc {
        name: c"kurado.del",
        summary: c"Forgets a host, a plugin or a series, and deletes its files.",
        complexity: c"O(N) where N is the number of series, whose files other threads delete",
        arity: -2,
        effect: Effect::Writes,
        arguments: &[
            ADDRESS,
            Argument::new(c"of", Kind::Block(&[PLUGIN, KEY.optional()])).optional(),
        ],
    },
    Doc {
        name: c"kurado.rename",
        summary: c"Gives a host with its files to another address.",
        complexity: c"O(N) where N is the number of series; another thread moves the files",
        arity: -3,
        effect: Effect::Writes,
        arguments: &[
            ADDRESS,
            Argument::text(c"new-address"),
            Argument::word(c"replace", c"REPLACE").optional(),
        ],
    },
    Doc {
        name: c"kurado.host",
        summary:
            c"Tells of a host: plugins, last received, meta, live warnings, series, pending points.",
        complexity: c"O(N) where N is the number of series of the host",
        arity: 2,
        effect: Effect::Reads,
        arguments: &[ADDRESS],
    },
    Doc {
        name: c"kurado.hosts",
        summary: c"Lists known hosts with when they were last received.",
        complexity: c"O(N) where N is the number of hosts",
        arity: -1,
        effect: Effect::Reads,
        arguments: &[Argument::new(c"pattern", Kind::Pattern).after(c"MATCH").optional()],
    },
    Doc {
        name: c"kurado.states",
        summary: c"Tells of many hosts when each plugin was last received and its live warnings.",
        complexity: c"O(N) where N is the number of plugins and warnings of these hosts",
        arity: -2,
        effect: Effect::Reads,
        arguments: &[ADDRESS.multiple()],
    },
    Doc {
        name: c"kurado.series",
        summary: c"Lists the series of a host with type and last value.",
        complexity: c"O(N*log(N)) where N is the number of series",
        arity: -2,
        effect: Effect::Reads,
        arguments: &[ADDRESS, PLUGIN.optional()],
    },
    Doc {
        name: c"kurado.fetch",
        summary: c"Reads consolidated rows, pending points included.",
        complexity: c"O(N) where N is the number of rows, read by another thread",
        arity: -7,
        effect: Effect::Reads,
        arguments: &[
            ADDRESS,
            PLUGIN,
            KEY,
            Argument::new(
                c"cf",
                Kind::OneOf(&[
                    Argument::word(c"average", c"AVERAGE"),
                    Argument::word(c"min", c"MIN"),
                    Argument::word(c"max", c"MAX"),
                ]),
            ),
            Argument::new(c"start", Kind::UnixTime),
            Argument::new(c"end", Kind::UnixTime),
            Argument::new(c"step", Kind::Integer).optional(),
        ],
    },
    Doc {
        name: c"kurado.flush",
        summary: c"Returns when pending points are in their files.",
        complexity: c"O(N) where N is the number of series asked for, written by other threads",
        arity: -1,
        effect: Effect::Reads,
        arguments: &[Argument::new(
            c"of",
            Kind::Block(&[
                ADDRESS,
                Argument::new(c"series", Kind::Block(&[PLUGIN, KEY.optional().multiple()]))
                    .optional(),
            ]),
        )
        .optional()],
    },
];

/// Redis compares these sizes to know which version of the structures a module was built with.
static VERSION: raw::RedisModuleCommandInfoVersion = raw::RedisModuleCommandInfoVersion {
    version: 1,
    sizeof_historyentry: size_of::<raw::RedisModuleCommandHistoryEntry>(),
    sizeof_keyspec: size_of::<raw::RedisModuleCommandKeySpec>(),
    sizeof_arg: size_of::<raw::RedisModuleCommandArg>(),
};

/// Adds summary, arity and arguments to the commands, and puts them into the ACL category `kurado`
/// where the server takes new categories (Redis 7.4 or later).
///
/// # Errors
/// Where Redis refuses one.
pub fn register(ctx: &Context) -> Result<(), String> {
    let categories = Categories::of(ctx);
    for doc in &DOCS {
        let refused = || format!("the server refuses the description of {:?}", doc.name);
        // SAFETY: `ctx` is valid during load, and the name ends with NUL.
        let command =
            unsafe { raw::RedisModule_GetCommand.map(|get| get(ctx.get_raw(), doc.name.as_ptr())) };
        let command = command.filter(|command| !command.is_null()).ok_or_else(refused)?;
        if !describe(command, doc) || !categories.take(command, doc.effect) {
            return Err(refused());
        }
    }
    Ok(())
}

fn describe(command: *mut raw::RedisModuleCommand, doc: &Doc) -> bool {
    let mut kept = Vec::new();
    // SAFETY: a structure of pointers and numbers, for which all zeroes means "not given".
    let mut info: raw::RedisModuleCommandInfo = unsafe { std::mem::zeroed() };
    info.version = &VERSION;
    info.summary = doc.summary.as_ptr();
    info.complexity = doc.complexity.as_ptr();
    info.since = c"0.1.0".as_ptr();
    info.arity = doc.arity;
    info.args = told(doc.arguments, &mut kept);
    let mut key_specs = first_key_written();
    if doc.arguments.iter().any(|argument| matches!(argument.kind, Kind::Key)) {
        info.key_specs = key_specs.as_mut_ptr();
    }
    // SAFETY: the command is one of this module that is being loaded, the texts end with NUL, and
    // Redis copies `info` with all that it points to, which `kept` keeps till then.
    let done = unsafe { raw::RedisModule_SetCommandInfo.map(|set| set(command, &info)) };
    done == Some(raw::REDISMODULE_OK as c_int)
}

/// That the first argument is a key which is added to, ended by a specification of zeroes. What the
/// declaration of a command says alone would need the right to read it too.
fn first_key_written() -> [raw::RedisModuleCommandKeySpec; 2] {
    // SAFETY: a structure of numbers, and pointers for which all zeroes means "not given".
    let mut specs: [raw::RedisModuleCommandKeySpec; 2] = unsafe { std::mem::zeroed() };
    let [spec, _] = &mut specs;
    spec.flags = u64::from(raw::REDISMODULE_CMD_KEY_RW | raw::REDISMODULE_CMD_KEY_INSERT);
    spec.begin_search_type = raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
    spec.bs.index.pos = 1;
    spec.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE;
    spec.fk.range = raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_1 {
        lastkey: 0,
        keystep: 1,
        limit: 0,
    };
    specs
}

/// The arguments as Redis takes them, ended by one of zeroes; `kept` owns them.
fn told(
    arguments: &[Argument],
    kept: &mut Vec<Box<[raw::RedisModuleCommandArg]>>,
) -> *mut raw::RedisModuleCommandArg {
    if arguments.is_empty() {
        return std::ptr::null_mut();
    }
    let mut list = Vec::with_capacity(arguments.len() + 1);
    for argument in arguments {
        // SAFETY: a structure of pointers and numbers, for which all zeroes means "not given".
        let mut told_one: raw::RedisModuleCommandArg = unsafe { std::mem::zeroed() };
        told_one.name = argument.name.as_ptr();
        told_one.token = argument.token.map_or(std::ptr::null(), CStr::as_ptr);
        told_one.flags = c_int::try_from(argument.flags).unwrap_or(0);
        told_one.key_spec_index = if matches!(argument.kind, Kind::Key) { 0 } else { -1 };
        let (kind, inner): (_, &[Argument]) = match argument.kind {
            Kind::Text => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING, &[]),
            Kind::Key => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY, &[]),
            Kind::Integer => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER, &[]),
            Kind::UnixTime => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_UNIX_TIME, &[]),
            Kind::Pattern => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PATTERN, &[]),
            Kind::Token => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN, &[]),
            Kind::OneOf(inner) => {
                (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF, inner)
            }
            Kind::Block(inner) => {
                (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_BLOCK, inner)
            }
        };
        told_one.type_ = kind;
        told_one.subargs = told(inner, kept);
        list.push(told_one);
    }
    // SAFETY: as above.
    list.push(unsafe { std::mem::zeroed() });
    kept.push(list.into_boxed_slice());
    kept.last_mut().map_or(std::ptr::null_mut(), |list| list.as_mut_ptr())
}

type SetCategories =
    unsafe extern "C" fn(*mut raw::RedisModuleCommand, *const std::ffi::c_char) -> c_int;

/// What this server can do with ACL categories of a module's commands.
enum Categories {
    /// Nothing: Redis 7.0.
    None,
    /// Put them into its own: Redis 7.2.
    Known(SetCategories),
    /// Into a new one too.
    New(SetCategories),
}

impl Categories {
    fn of(ctx: &Context) -> Self {
        // SAFETY: Redis filled in these pointers before it called the module, where it has the
        // calls; `ctx` is valid during load, and the name ends with NUL.
        unsafe {
            let Some(set) = raw::RedisModule_SetCommandACLCategories else {
                return Self::None;
            };
            let made =
                raw::RedisModule_AddACLCategory.map(|add| add(ctx.get_raw(), c"kurado".as_ptr()));
            if made == Some(raw::REDISMODULE_OK as c_int) {
                Self::New(set)
            } else {
                Self::Known(set)
            }
        }
    }

    fn take(&self, command: *mut raw::RedisModuleCommand, effect: Effect) -> bool {
        let (set, names) = match (self, effect) {
            (Self::None, _) => return true,
            (Self::Known(set), Effect::Reads) => (set, c"read"),
            (Self::Known(set), Effect::Writes) => (set, c"write"),
            (Self::New(set), Effect::Reads) => (set, c"kurado read"),
            (Self::New(set), Effect::Writes) => (set, c"kurado write"),
        };
        // SAFETY: the command is one of this module that is being loaded, and the names end with
        // NUL.
        unsafe { set(command, names.as_ptr()) == raw::REDISMODULE_OK as c_int }
    }
}
