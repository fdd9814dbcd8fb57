//! Packets of MySQL's protocol, as of 4.1 and later: what is inside them. Pure: nothing is read or
//! sent here, and no byte of a server is trusted.

/// What server and client can do. Only what is used here.
pub(super) mod capability {
    pub(crate) const LONG_PASSWORD: u32 = 1;
    pub(crate) const LONG_FLAG: u32 = 1 << 2;
    pub(crate) const PROTOCOL_41: u32 = 1 << 9;
    pub(crate) const TLS: u32 = 1 << 11;
    pub(crate) const TRANSACTIONS: u32 = 1 << 13;
    pub(crate) const SECURE_CONNECTION: u32 = 1 << 15;
    pub(crate) const PLUGIN_AUTH: u32 = 1 << 19;
}

/// UTF-8, by the number that servers since 4.1 know.
const CHARACTER_SET: u8 = 33;
/// Nothing longer is sent.
const LONGEST_SENT: u32 = 1 << 20;
/// How long the random bytes are that a password is mixed with.
const NONCE: usize = 20;

/// Who may read what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// Whoever is in between.
    Open,
    /// The server alone: TLS.
    Private,
}

/// What a server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Greeting {
    pub capabilities: u32,
    /// Random bytes that a password is mixed with.
    pub nonce: Vec<u8>,
    /// How it would like the client to log in.
    pub plugin: String,
}

/// An error that a server told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerError {
    pub code: u16,
    pub text: String,
}

/// What a server answers to a login, or to a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LoginAnswer {
    Welcome,
    Refused(ServerError),
    /// Log in by this plugin instead, with these random bytes.
    Switch {
        plugin: String,
        nonce: Vec<u8>,
    },
    /// A word of the plugin's own.
    More(Vec<u8>),
}

/// What a server answers to a query, first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum QueryAnswer {
    /// Done; there are no rows.
    Done,
    Refused(ServerError),
    /// So many columns; their names follow.
    Columns(u64),
}

/// What may stand where a row may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RowAnswer {
    /// Its values; `None` is NULL.
    Row(Vec<Option<String>>),
    Refused(ServerError),
    End,
}

/// What is left of a packet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of so many bytes, the lowest first.
    fn number(&mut self, length: usize) -> Option<u64> {
        let bytes = self.bytes(length)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A number that tells its own length; `None` also for NULL.
    fn packed_number(&mut self) -> Option<u64> {
        match self.number(1)? {
            small @ 0..=0xfa => Some(small),
            0xfc => self.number(2),
            0xfd => self.number(3),
            0xfe => self.number(8),
            _ => None,
        }
    }

    fn packed_text(&mut self) -> Option<&'a [u8]> {
        let length = self.packed_number()?;
        self.bytes(usize::try_from(length).ok()?)
    }

    /// Up to a zero byte, or to the end.
    fn text(&mut self) -> &'a [u8] {
        let mut parts = self.0.splitn(2, |byte| *byte == 0);
        let text = parts.next().unwrap_or_default();
        self.0 = parts.next().unwrap_or_default();
        text
    }
}

fn owned(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

impl ServerError {
    /// Behind the first byte, `ff`.
    fn parse(mut rest: Reader<'_>) -> Option<Self> {
        let code = u16::try_from(rest.number(2)?).ok()?;
        // The SQL state, which servers leave out before the greeting.
        let text = match rest.0 {
            [b'#', _, _, _, _, _, text @ ..] => text,
            text => text,
        };
        Some(Self { code, text: owned(text) })
    }

    /// `None` where the packet is no error.
    pub(super) fn of(packet: &[u8]) -> Option<Self> {
        match packet {
            [0xff, rest @ ..] => Self::parse(Reader(rest)),
            _ => None,
        }
    }
}

impl Greeting {
    /// `None` where the packet is none.
    pub(super) fn parse(packet: &[u8]) -> Option<Self> {
        let mut rest = Reader(packet);
        if rest.number(1)? != 10 {
            return None;
        }
        let _version = rest.text();
        let _connection = rest.number(4)?;
        let mut nonce = rest.bytes(8)?.to_vec();
        rest.bytes(1)?;
        let low = rest.number(2)?;
        let _character_set_and_status = rest.bytes(3)?;
        let high = rest.number(2)?;
        let capabilities = u32::try_from(high << 16 | low).ok()?;
        let length = usize::try_from(rest.number(1)?).ok()?;
        rest.bytes(10)?;
        if capabilities & capability::SECURE_CONNECTION != 0 {
            nonce.extend(rest.bytes(length.saturating_sub(8).max(13).min(rest.0.len()))?);
        }
        nonce.resize(NONCE, 0);
        let plugin = match capabilities & capability::PLUGIN_AUTH {
            0 => String::new(),
            _ => owned(rest.text()),
        };
        Some(Self { capabilities, nonce, plugin })
    }

    /// The packet that asks for TLS, behind which it begins; `None` where the server has none.
    pub(super) fn ask_for_tls(&self) -> Option<Vec<u8>> {
        (self.capabilities & capability::TLS != 0).then(|| self.head(Channel::Private))
    }

    /// The packet that answers it, or what comes of it by TLS.
    pub(super) fn login(
        &self,
        channel: Channel,
        user: &str,
        plugin: &str,
        proof: &[u8],
    ) -> Vec<u8> {
        let mut packet = self.head(channel);
        packet.extend(user.bytes().filter(|byte| *byte != 0).chain([0]));
        // A proof has 32 bytes at most.
        packet.push(u8::try_from(proof.len()).unwrap_or(0));
        packet.extend(proof);
        if self.capabilities & capability::PLUGIN_AUTH != 0 {
            packet.extend(plugin.bytes().chain([0]));
        }
        packet
    }

    /// What this client can do, as far as the server can.
    fn head(&self, channel: Channel) -> Vec<u8> {
        let wanted = capability::LONG_PASSWORD
            | capability::LONG_FLAG
            | capability::PROTOCOL_41
            | capability::TRANSACTIONS
            | capability::SECURE_CONNECTION
            | capability::PLUGIN_AUTH;
        let tls = match channel {
            Channel::Open => 0,
            Channel::Private => capability::TLS,
        };
        let mut packet = ((wanted | tls) & self.capabilities).to_le_bytes().to_vec();
        packet.extend(LONGEST_SENT.to_le_bytes());
        packet.push(CHARACTER_SET);
        packet.extend([0; 23]);
        packet
    }
}

impl LoginAnswer {
    /// `None` where the packet is none.
    pub(super) fn parse(packet: &[u8]) -> Option<Self> {
        match packet {
            [0x00, ..] => Some(Self::Welcome),
            [0xff, rest @ ..] => ServerError::parse(Reader(rest)).map(Self::Refused),
            [0x01, rest @ ..] => Some(Self::More(rest.to_vec())),
            // Servers of 4.0, and users who kept a password of these.
            [0xfe] => {
                Some(Self::Switch { plugin: "mysql_old_password".to_owned(), nonce: Vec::new() })
            }
            [0xfe, rest @ ..] => {
                let mut rest = Reader(rest);
                let plugin = owned(rest.text());
                let mut nonce = rest.0.to_vec();
                nonce.resize(NONCE, 0);
                Some(Self::Switch { plugin, nonce })
            }
            _ => None,
        }
    }
}

impl QueryAnswer {
    /// `None` where the packet is none; a server that asks for a file of ours gets none.
    pub(super) fn parse(packet: &[u8]) -> Option<Self> {
        match packet {
            [0x00, ..] => Some(Self::Done),
            [0xff, rest @ ..] => ServerError::parse(Reader(rest)).map(Self::Refused),
            _ => Reader(packet).packed_number().map(Self::Columns),
        }
    }
}

/// The name of a column; `None` where the packet is no column.
pub(super) fn column_name(packet: &[u8]) -> Option<String> {
    let mut rest = Reader(packet);
    for _catalog_schema_table_table in 0..4 {
        rest.packed_text()?;
    }
    rest.packed_text().map(owned)
}

/// Whether the packet ends a list of columns or rows.
pub(super) fn is_end(packet: &[u8]) -> bool {
    // Longer ones are rows that begin with a very long text.
    matches!(packet, [0xfe, ..]) && packet.len() < 9
}

impl RowAnswer {
    /// `None` where the packet is no row of so many columns, which must be few enough to take memory
    /// for.
    pub(super) fn parse(packet: &[u8], columns: usize) -> Option<Self> {
        if is_end(packet) {
            return Some(Self::End);
        }
        if let Some(error) = ServerError::of(packet) {
            return Some(Self::Refused(error));
        }
        let mut rest = Reader(packet);
        let mut row = Vec::with_capacity(columns);
        for _ in 0..columns {
            row.push(match rest.0 {
                [0xfb, behind @ ..] => {
                    rest.0 = behind;
                    None
                }
                _ => Some(owned(rest.packed_text()?)),
            });
        }
        Some(Self::Row(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A greeting as MySQL 8.0 and MariaDB send it.
    fn greeting(plugin: &str) -> Vec<u8> {
        let mut packet = vec![10];
        packet.extend(b"8.0.36\0\x05\0\0\0abcdefgh\0\xff\xff\x21\x02\0\xff\xcf\x15");
        packet.extend([0; 10]);
        packet.extend(b"ijklmnopqrst\0");
        packet.extend(plugin.bytes().chain([0]));
        packet
    }

    #[test]
    fn a_greeting_has_capabilities_nonce_and_plugin() {
        assert_eq!(
            Greeting::parse(&greeting("caching_sha2_password")),
            Some(Greeting {
                capabilities: 0xcfff_ffff,
                nonce: b"abcdefghijklmnopqrst".to_vec(),
                plugin: "caching_sha2_password".to_owned(),
            })
        );
        // MySQL 5.0: no plugins yet.
        let mut old = vec![10];
        old.extend(b"5.0.95\0\x05\0\0\0abcdefgh\0\x2c\xa2\x21\x02\0\0\0\0");
        old.extend([0; 10]);
        old.extend(b"ijklmnopqrst\0");
        let old = Greeting::parse(&old).unwrap();
        assert_eq!((old.nonce, old.plugin), (b"abcdefghijklmnopqrst".to_vec(), String::new()));
    }

    #[test]
    fn a_login_says_only_what_the_server_can() {
        let greeting = Greeting::parse(&greeting("x")).unwrap();
        let packet = greeting.login(Channel::Open, "kurado", "mysql_native_password", &[7; 20]);
        assert_eq!(packet[..4], 0x0008_a205_u32.to_le_bytes());
        assert_eq!(packet[8], 33);
        assert_eq!(packet[32..39], *b"kurado\0");
        assert_eq!(packet[39..60], [vec![20], vec![7; 20]].concat());
        assert_eq!(packet[60..], *b"mysql_native_password\0");
        let old = Greeting { capabilities: 0xa22c, ..greeting };
        assert!(old.login(Channel::Open, "k", "mysql_native_password", &[]).ends_with(b"k\0\0"));
    }

    #[test]
    fn tls_is_asked_for_where_the_server_has_it() {
        let greeting = Greeting::parse(&greeting("x")).unwrap();
        let packet = greeting.ask_for_tls().unwrap();
        assert_eq!((packet.len(), &packet[..4]), (32, &0x0008_aa05_u32.to_le_bytes()[..]));
        let login = greeting.login(Channel::Private, "k", "x", &[]);
        assert_eq!(login[..32], packet);
        let without = Greeting { capabilities: greeting.capabilities & !(1 << 11), ..greeting };
        assert_eq!(without.ask_for_tls(), None);
    }

    #[test]
    fn an_error_has_its_text_with_and_without_sql_state() {
        let denied = b"\xff\x15\x04#28000Access denied";
        assert_eq!(
            ServerError::of(denied),
            Some(ServerError { code: 1045, text: "Access denied".to_owned() })
        );
        let early = b"\xff\x10\x04Too many connections";
        assert_eq!(
            ServerError::of(early),
            Some(ServerError { code: 1040, text: "Too many connections".to_owned() })
        );
        assert_eq!(ServerError::of(b"\x00"), None);
    }

    #[test]
    fn rows_have_texts_and_nulls() {
        assert_eq!(
            RowAnswer::parse(b"\x01a\xfb\x00", 3),
            Some(RowAnswer::Row(vec![Some("a".to_owned()), None, Some(String::new())]))
        );
        let long = [&b"\xfc\x2c\x01"[..], &[b'x'; 300]].concat();
        assert_eq!(RowAnswer::parse(&long, 1), Some(RowAnswer::Row(vec![Some("x".repeat(300))])));
        assert_eq!(RowAnswer::parse(b"\xfe\0\0\x02\0", 1), Some(RowAnswer::End));
        assert_eq!(RowAnswer::parse(b"\x05ab", 1), None);
        assert_eq!(RowAnswer::parse(b"\x01a", 2), None);
        assert_eq!(column_name(b"\x03def\x00\x00\x00\x05Value\x05Value"), Some("Value".to_owned()));
    }

    #[test]
    fn a_server_that_asks_for_a_file_gets_no_answer() {
        assert_eq!(QueryAnswer::parse(b"\xfb/etc/passwd"), None);
    }

    proptest! {
        #[test]
        fn no_packet_makes_a_parser_panic(
            packet in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..100),
                (proptest::sample::select(vec![0u8, 1, 3, 10, 0xfb, 0xfc, 0xfd, 0xfe, 0xff]),
                 proptest::collection::vec(any::<u8>(), 0..100))
                    .prop_map(|(first, rest)| [vec![first], rest].concat()),
            ],
            columns in 0usize..5,
        ) {
            if let Some(greeting) = Greeting::parse(&packet) {
                prop_assert_eq!(greeting.nonce.len(), 20);
                greeting.login(Channel::Private, "user", "plugin", &[0; 32]);
            }
            LoginAnswer::parse(&packet);
            QueryAnswer::parse(&packet);
            column_name(&packet);
            if let Some(RowAnswer::Row(row)) = RowAnswer::parse(&packet, columns) {
                prop_assert_eq!(row.len(), columns);
            }
        }
    }
}
