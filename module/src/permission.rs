//! ACL rules for hosts: their keys stand inside payloads, where Redis can't check them.

use std::ffi::c_int;
use std::ptr::NonNull;

use redis_module::{Context, RedisError, RedisString, raw};

use crate::host_key::checked_key_name;
use crate::origin::Origin;

/// What a command wants of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To know of it.
    Read,
    /// To change it.
    Write,
}

/// What the client that runs a command may do with hosts. For commands only: the contexts of timers
/// and of replies to waiting clients have a client number left over from somebody else.
pub struct Rights<'a> {
    ctx: &'a Context,
    user: User,
}

enum User {
    /// A replay, a script, or another module: what these may do was checked before.
    Trusted,
    /// One of this server's; given back at the end.
    Named(NonNull<raw::RedisModuleUser>),
    /// One that was deleted meanwhile.
    Gone,
}

impl<'a> Rights<'a> {
    /// Looks up the user of a client that sends the command.
    pub fn new(ctx: &'a Context, origin: Origin) -> Self {
        // What was accepted once may not be refused now.
        let user = match origin {
            Origin::Replay => User::Trusted,
            Origin::Client => user_of(ctx),
        };
        Self { ctx, user }
    }

    /// Checks that the client may use a host.
    ///
    /// # Errors
    /// Where this is no address, or an ACL rule denies the host's key.
    pub fn check(&self, address: &str, wish: Wish) -> Result<(), RedisError> {
        self.check_key(&checked_key_name(self.ctx, address)?, wish)
    }

    /// The same by the name of a host's key.
    ///
    /// # Errors
    /// Where an ACL rule denies the key.
    pub fn check_key(&self, name: &RedisString, wish: Wish) -> Result<(), RedisError> {
        if self.may_key(name, wish) {
            return Ok(());
        }
        self.log_denial(name);
        Err(RedisError::String(format!("NOPERM this user has no permission for key '{name}'")))
    }

    /// Whether the client may use a host, where one that it may not is just left out.
    pub fn may(&self, address: &str, wish: Wish) -> bool {
        checked_key_name(self.ctx, address).is_ok_and(|name| self.may_key(&name, wish))
    }

    /// In `ACL LOG`, where Redis puts what it denies itself.
    fn log_denial(&self, name: &RedisString) {
        if let User::Named(user) = self.user {
            // SAFETY: all are valid during the command; the log copies the name.
            unsafe {
                if let Some(add) = raw::RedisModule_ACLAddLogEntry {
                    let reason = raw::RedisModuleACLLogEntryReason_REDISMODULE_ACL_LOG_KEY;
                    add(self.ctx.get_raw(), user.as_ptr(), name.inner, reason);
                }
            }
        }
    }

    fn may_key(&self, name: &RedisString, wish: Wish) -> bool {
        let wish = match wish {
            Wish::Read => raw::REDISMODULE_CMD_KEY_ACCESS,
            Wish::Write => raw::REDISMODULE_CMD_KEY_UPDATE,
        };
        match self.user {
            User::Trusted => true,
            User::Gone => false,
            // SAFETY: the user was given to this value alone, and the key's name outlives the call.
            User::Named(user) => unsafe {
                raw::RedisModule_ACLCheckKeyPermissions.is_some_and(|check| {
                    check(user.as_ptr(), name.inner, wish as c_int) == raw::REDISMODULE_OK as c_int
                })
            },
        }
    }
}

impl Drop for Rights<'_> {
    fn drop(&mut self) {
        if let User::Named(user) = self.user {
            // SAFETY: the user was given to this value alone, and is not used any more.
            unsafe {
                if let Some(free) = raw::RedisModule_FreeModuleUser {
                    free(user.as_ptr());
                }
            }
        }
    }
}

fn user_of(ctx: &Context) -> User {
    // SAFETY: `ctx` is the context of a command; the user's name is given back.
    unsafe {
        let (Some(client), Some(name_of), Some(find)) = (
            raw::RedisModule_GetClientId,
            raw::RedisModule_GetClientUserNameById,
            raw::RedisModule_GetModuleUserFromUserName,
        ) else {
            return User::Gone;
        };
        // By number, as asking for the user of a context that has none kills Redis 7.0.
        let name = name_of(ctx.get_raw(), client(ctx.get_raw()));
        if name.is_null() {
            return User::Trusted;
        }
        let user = find(name);
        if let Some(free_string) = raw::RedisModule_FreeString {
            free_string(ctx.get_raw(), name);
        }
        NonNull::new(user).map_or(User::Gone, User::Named)
    }
}

/// Checks that the client which runs a command may use one host.
///
/// # Errors
/// As [`Rights::check`].
pub fn check(ctx: &Context, address: &str, wish: Wish) -> Result<(), RedisError> {
    Rights::new(ctx, Origin::of(ctx)).check(address, wish)
}
