// Mint the token with which the widget says who is logged in: the `jose` package, ten lines.
// `assistant` is {service, portal, origin, key, algorithm} as in mint.py.
import { randomUUID } from "node:crypto";
import { SignJWT, importPKCS8 } from "jose";

/** Return a token for a user of ours, good once and for a minute. */
export async function mint({ service, portal, origin, key, algorithm }, user, groups) {
  const now = Math.floor(Date.now() / 1000);
  const secret = algorithm === "ES256" ? await importPKCS8(key, "ES256") : Buffer.from(key);
  return new SignJWT({ groups, portal, origin })
    .setProtectedHeader({ alg: algorithm })
    .setIssuer(portal)
    .setAudience(service)
    .setSubject(user)
    .setIssuedAt(now)
    .setExpirationTime(now + 60)
    .setJti(randomUUID())
    .sign(secret);
}
