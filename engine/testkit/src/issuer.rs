//! An issuer of OpenID Connect: makes keys, signs tokens, and serves the public keys at `/keys`.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use data_encoding::BASE64URL_NOPAD;

use crate::http_request::Request;
use crate::socket_server::SocketServer;

/// A private key, and the name under which its public half is served.
#[derive(Debug, Clone)]
pub struct SigningKey {
    id: String,
    pair: Arc<Pair>,
}

#[derive(Debug)]
enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Makes a key for RS256.
    pub fn rs256(id: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect(GENERATED);
        Self::of(id, Pair::Rsa(pair))
    }

    /// Makes a key for ES256.
    pub fn es256(id: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect(GENERATED);
        Self::of(id, Pair::P256(pair))
    }

    /// Makes a key for EdDSA.
    pub fn ed25519(id: &str) -> Self {
        Self::of(id, Pair::Ed25519(Ed25519KeyPair::generate().expect(GENERATED)))
    }

    fn of(id: &str, pair: Pair) -> Self {
        Self { id: id.to_owned(), pair: Arc::new(pair) }
    }

    /// Returns the name of the key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the algorithm that it is for.
    pub fn algorithm(&self) -> &'static str {
        match &*self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
        }
    }

    /// Returns the public key as JSON (RFC 7517).
    pub fn jwk(&self) -> String {
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let parameters = match &*self.pair {
            Pair::Rsa(pair) => {
                let key = pair.public_key();
                let n = encode(key.modulus().big_endian_without_leading_zero());
                let e = encode(key.exponent().big_endian_without_leading_zero());
                format!(r#""kty":"RSA","n":"{n}","e":"{e}""#)
            }
            Pair::P256(pair) => {
                // An uncompressed point: a byte that says so, and the two coordinates.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                format!(r#""kty":"EC","crv":"P-256","x":"{}","y":"{}""#, encode(x), encode(y))
            }
            Pair::Ed25519(pair) => {
                let x = encode(pair.public_key().as_ref());
                format!(r#""kty":"OKP","crv":"Ed25519","x":"{x}""#)
            }
        };
        let (id, algorithm) = (&self.id, self.algorithm());
        format!(r#"{{{parameters},"kid":"{id}","use":"sig","alg":"{algorithm}"}}"#)
    }

    /// Returns the public key as the bytes that a confused verifier would take for a secret.
    pub fn public_bytes(&self) -> Vec<u8> {
        match &*self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Pair::P256(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    /// Returns the signature of `message`.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &*self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect(SIGNED);
                signature
            }
            Pair::P256(pair) => pair.sign(&random, message).expect(SIGNED).as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// Returns a token with these claims (JSON), signed by the key that its header names.
    pub fn token(&self, claims: &str) -> String {
        let (algorithm, id) = (self.algorithm(), &self.id);
        self.token_with(&format!(r#"{{"alg":"{algorithm}","typ":"JWT","kid":"{id}"}}"#), claims)
    }

    /// Returns a token with any header (JSON), signed.
    pub fn token_with(&self, header: &str, claims: &str) -> String {
        token(header, claims, |message| self.sign(message))
    }
}

/// Returns a token with any header and claims (JSON), signed by `sign`.
pub fn token(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let message = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let signature = encode(&sign(message.as_bytes()));
    format!("{message}.{signature}")
}

const GENERATED: &str = "there is randomness for a key";

const SIGNED: &str = "a key signs";

/// An issuer on its own port on 127.0.0.1.
#[derive(Debug)]
pub struct TestIssuer {
    server: SocketServer,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    answer: KeysAnswer,
    asked: usize,
}

/// How an issuer answers the question for its keys.
#[derive(Debug, Clone)]
pub enum KeysAnswer {
    /// With these keys.
    Keys(Vec<SigningKey>),
    /// With this status and body.
    Text(u16, String),
    /// With a redirect to this address.
    Elsewhere(String),
    /// Not until it gets another answer to give.
    Later,
}

impl TestIssuer {
    /// Starts an issuer that answers so.
    pub fn start(answer: KeysAnswer) -> Self {
        let state = Mutex::new(State { answer, asked: 0 });
        let shared = Arc::new(Shared { state, changed: Condvar::new() });
        let of_server = Arc::clone(&shared);
        let server = SocketServer::start(move |connection| of_server.answer(connection));
        Self { server, shared }
    }

    /// Returns its name, which is its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Returns the address of its keys.
    pub fn keys_url(&self) -> String {
        format!("{}/keys", self.url())
    }

    /// Answers so from now on.
    pub fn answer_with(&self, answer: KeysAnswer) {
        self.shared.lock().answer = answer;
        self.shared.changed.notify_all();
    }

    /// Returns how often it was asked for its keys.
    pub fn asked(&self) -> usize {
        self.shared.lock().asked
    }

    /// Waits until it was asked `count` times.
    pub fn wait_for(&self, count: usize) {
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_while(state, |state| state.asked < count);
        drop(waited.expect(UNPOISONED));
    }
}

impl Drop for TestIssuer {
    fn drop(&mut self) {
        // A handler that waits for another answer would hold the server up.
        self.answer_with(KeysAnswer::Text(503, String::new()));
    }
}

const UNPOISONED: &str = "no thread panics while it holds the lock";

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }

    fn answer(&self, mut connection: &TcpStream) -> io::Result<()> {
        if Request::read(connection)?.is_none() {
            return Ok(());
        }
        let mut state = self.lock();
        state.asked += 1;
        self.changed.notify_all();
        let is_later = |state: &mut State| matches!(state.answer, KeysAnswer::Later);
        let state = self.changed.wait_while(state, is_later).expect(UNPOISONED);
        let (status, more, body) = match &state.answer {
            KeysAnswer::Keys(keys) => {
                let keys: Vec<String> = keys.iter().map(SigningKey::jwk).collect();
                (200, String::new(), format!(r#"{{"keys":[{}]}}"#, keys.join(",")))
            }
            KeysAnswer::Text(status, body) => (*status, String::new(), body.clone()),
            KeysAnswer::Elsewhere(url) => (302, format!("Location: {url}\r\n"), String::new()),
            KeysAnswer::Later => return Ok(()),
        };
        drop(state);
        let length = body.len();
        write!(
            connection,
            "HTTP/1.1 {status} Issued\r\nContent-Type: application/json\r\n{more}\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    }
}
