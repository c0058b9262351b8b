// Who asks: access tokens after RFC 9068, checked as the services check them, before anything of a request is read.
import { createLocalJWKSet, errors, jwtVerify } from 'jose';
import { Refusal } from './problems.mjs';

const ALGORITHMS = ['ES256', 'RS256', 'PS256', 'EdDSA'];
const LEEWAY_SECONDS = 30;
const REFRESH_MILLISECONDS = 300_000;
const RETRY_MILLISECONDS = 5_000;
const FIRST_RETRY_MILLISECONDS = 500;
const MOST_KEPT = 1000;
const TENANT = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const BEARER = /^bearer ([\w.-]+)$/i;
// Either may be mended by a key that the issuer has published since.
const UNKNOWN_SIGNATURE = [errors.JWKSNoMatchingKey, errors.JWSSignatureVerificationFailed];

const unauthenticated = (detail) =>
  new Refusal(401, 'unauthenticated', detail, { headers: { 'www-authenticate': 'Bearer' } });

export class Tokens {
  #settings;
  #fetch;
  #keys;
  #fetched = -Infinity;
  #tried = -Infinity;
  #refreshing;
  #seen = new Map();

  /** `fetchKeys` returns a JWK Set. */
  constructor(settings, fetchKeys = fetchByDiscovery) {
    this.#settings = settings;
    this.#fetch = fetchKeys;
  }

  /** Returns who it is: the tenant, and when the token expires (milliseconds). Throws Refusal. */
  async check(authorization) {
    const [, token] = (typeof authorization === 'string' && BEARER.exec(authorization)) || [];
    if (token === undefined) {
      throw unauthenticated('Send a bearer token in the Authorization header.');
    }
    const seen = this.#seen.get(token);
    if (seen !== undefined && Date.now() < seen.until) return seen.actor;
    const actor = await this.#verify(token);
    if (this.#seen.size >= MOST_KEPT) this.#seen.clear();
    // Trusted again without a new signature check, but never past its end, nor longer than the keys are.
    const keysLast = REFRESH_MILLISECONDS - (performance.now() - this.#fetched);
    this.#seen.set(token, { actor, until: Math.min(actor.expires, Date.now() + keysLast) });
    return actor;
  }

  async #verify(token) {
    if (!isCanonical(token)) throw refusalOf();
    await this.#freshKeys();
    let payload;
    try {
      payload = await this.#claims(token);
    } catch (error) {
      const renewed = UNKNOWN_SIGNATURE.some((kind) => error instanceof kind) && (await this.#refresh(RETRY_MILLISECONDS));
      if (!renewed) throw refusalOf(error);
      payload = await this.#claims(token).catch((wrong) => {
        throw refusalOf(wrong);
      });
    }
    const tenant = payload[this.#settings.tenantClaim];
    if (typeof tenant !== 'string' || !TENANT.test(tenant)) {
      throw unauthenticated(`The token's claim ${this.#settings.tenantClaim} does not name a tenant.`);
    }
    return { tenant, expires: 1000 * (payload.exp + LEEWAY_SECONDS) };
  }

  async #claims(token) {
    const { payload } = await jwtVerify(token, this.#keys, {
      algorithms: ALGORITHMS,
      issuer: this.#settings.issuer,
      audience: this.#settings.audience,
      typ: 'at+jwt',
      clockTolerance: LEEWAY_SECONDS,
      requiredClaims: ['exp', 'sub'],
    });
    return payload;
  }

  async #freshKeys() {
    if (this.#keys === undefined || performance.now() - this.#fetched > REFRESH_MILLISECONDS) {
      await this.#refresh(this.#keys === undefined ? FIRST_RETRY_MILLISECONDS : RETRY_MILLISECONDS);
    }
    if (this.#keys === undefined) {
      const detail = "The issuer's keys cannot be fetched now; try again.";
      throw new Refusal(503, 'unavailable', detail, { headers: { 'retry-after': '1' } });
    }
  }

  /** One at a time, however many wait for it. Returns whether there are keys fetched just now. */
  #refresh(notWithin) {
    if (this.#refreshing !== undefined) return this.#refreshing;
    if (performance.now() - this.#tried < notWithin) return false;
    this.#tried = performance.now();
    this.#refreshing = this.#fetch(this.#settings)
      .then((found) => {
        this.#keys = createLocalJWKSet(found);
        this.#fetched = performance.now();
        this.#seen.clear();
        return true;
      })
      .catch(() => false)
      .finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }
}

/** Decoders skip bits that stand for nothing: another text would be read as the same token. */
const isCanonical = (token) =>
  token.split('.').every((part) => Buffer.from(part, 'base64url').toString('base64url') === part);

/** The words say which check failed, and nothing of the token. */
function refusalOf(error) {
  if (error instanceof errors.JWTExpired) return unauthenticated('The token has expired.');
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'typ') return unauthenticated('It is not an access token (typ at+jwt).');
    return unauthenticated(`The token is not for us or not valid now: ${error.claim}.`);
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return unauthenticated(`The token must be signed by one of ${ALGORITHMS.join(', ')}.`);
  }
  return unauthenticated("The token's signature is not the issuer's.");
}

async function fetchByDiscovery({ issuer, jwksUrl }) {
  const get = async (url) => {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5000), redirect: 'error' });
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer.json();
  };
  return get(jwksUrl ?? (await get(`${issuer}/.well-known/openid-configuration`)).jwks_uri);
}

export const tokens = (settings) =>
  new Tokens({
    issuer: settings.KITH_ISSUER_URL,
    jwksUrl: settings.KITH_JWKS_URL ?? undefined,
    audience: settings.KITH_AUDIENCE,
    tenantClaim: settings.KITH_TENANT_CLAIM,
  });
