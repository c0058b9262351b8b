// Documents, bounded before they are parsed, validated, planned: cheapest first. What was found of one is kept.
import { GraphQLError, Kind, parse, validate } from 'graphql';
import { Circular, costOf, repeatsOf, sizeOf, TooDeep } from './cost.mjs';
import { Refusal } from './problems.mjs';

const MOST_CHARACTERS_KEPT = 1_000_000;

export class Documents {
  #schema;
  #limits;
  #kept = new Map();
  #characters = 0;

  constructor(schema, limits) {
    this.#schema = schema;
    this.#limits = limits;
  }

  /** Returns the document and what it may cost. Throws Refusal. */
  admit(params) {
    const { query, variables, operationName } = checked(params);
    const read = this.#read(query);
    const { document, operations } = read;
    const operation = operationOf(operations, operationName);
    this.#refuseDeep(variables);
    const cost = costOf(this.#schema, document, operation.node, variables);
    if (cost > this.#limits.cost) {
      const excess = { requested: cost, limit: this.#limits.cost };
      const detail = `It may cost ${cost}, and ${this.#limits.cost} is the most: ask for smaller pages, or less of each.`;
      throw new Refusal(400, 'query-too-costly', detail, { more: { measure: 'cost', ...excess }, cost: excess });
    }
    // Dearer than all before: it compares fields with each other.
    if (!read.valid) {
      const errors = validate(this.#schema, document, undefined, { maxErrors: 5 });
      if (errors.length > 0) throw invalid(errors);
      read.valid = true;
    }
    return { document, cost, kind: operation.node.operation };
  }

  #read(query) {
    const kept = this.#kept.get(query);
    if (kept !== undefined) {
      this.#kept.delete(query);
      this.#kept.set(query, kept);
      return kept;
    }
    const read = this.#examine(query);
    this.#kept.set(query, read);
    this.#characters += query.length;
    for (const [oldest] of this.#kept) {
      if (this.#characters <= MOST_CHARACTERS_KEPT) break;
      this.#kept.delete(oldest);
      this.#characters -= oldest.length;
    }
    return read;
  }

  #examine(query) {
    this.#bound('documentCharacters', query.length);
    const document = this.#parse(query);
    this.#bound('definitions', document.definitions.length);
    const operations = document.definitions
      .filter(({ kind }) => kind === Kind.OPERATION_DEFINITION)
      .map((node) => ({ node, name: node.name?.value }));
    for (const { node } of operations) this.#boundSize(document, node);
    return { document, operations, valid: false };
  }

  #parse(query) {
    try {
      return parse(query, { maxTokens: this.#limits.tokens });
    } catch (error) {
      if (error instanceof RangeError) throw tooLarge('depth', undefined, this.#limits.depth);
      if (/^Syntax Error: Document contains more tha[nt] /.test(error.message)) {
        throw tooLarge('tokens', undefined, this.#limits.tokens);
      }
      if (error instanceof GraphQLError) throw invalid([error]);
      throw error;
    }
  }

  #boundSize(document, operation) {
    try {
      const size = sizeOf(document, operation);
      for (const measure of ['depth', 'rootFields', 'aliases', 'directives', 'fields']) this.#bound(measure, size[measure]);
      this.#bound('repeats', repeatsOf(document, operation));
    } catch (error) {
      if (error instanceof Circular) throw new Refusal(400, 'invalid-query', 'A fragment must not contain itself.');
      if (error instanceof TooDeep) throw tooLarge('depth', undefined, this.#limits.depth);
      throw error;
    }
  }

  #bound(measure, value) {
    if (value > this.#limits[measure]) throw tooLarge(measure, value, this.#limits[measure]);
  }

  /** JSON may nest deeper than a recursive visitor can go. */
  #refuseDeep(variables) {
    let level = [variables];
    for (let depth = 0; level.length > 0; depth += 1) {
      this.#bound('variablesDepth', depth);
      level = level.flatMap((each) => (each !== null && typeof each === 'object' ? Object.values(each) : []));
    }
  }
}

const SHAPES = {
  query: ['is a text', (given) => typeof given === 'string'],
  variables: ['is an object', isObject],
  operationName: ['is a text', (given) => typeof given === 'string'],
  extensions: ['is an object', isObject],
};

/** The parameters of a request after GraphQL over HTTP. Throws Refusal naming the one that is wrong. */
export function checked(params) {
  if (Array.isArray(params)) throw badRequest('Send one operation a request: there is no batching.');
  if (!isObject(params)) throw badRequest('A request is an object with a query.');
  for (const [name, given] of Object.entries(params)) {
    if (!Object.hasOwn(SHAPES, name)) throw badRequest(`A request has ${Object.keys(SHAPES).join(', ')}, and nothing else.`);
    const [words, fits] = SHAPES[name];
    if (given != null && !fits(given)) throw badRequest(`${name} ${words}.`, name);
  }
  if (params.query == null) throw badRequest('query is missing.', 'query');
  return params;
}

function isObject(given) {
  return given !== null && typeof given === 'object' && !Array.isArray(given);
}

export const badRequest = (detail, field) => new Refusal(400, 'bad-request', detail, { more: field ? { field } : {} });

function operationOf(operations, name) {
  const found = name == null ? operations : operations.filter((each) => each.name === name);
  if (found.length === 1) return found[0];
  const detail = name == null ? 'It says which of its operations is to be run.' : 'There is an operation of that name.';
  throw badRequest(`operationName: ${detail}`, 'operationName');
}

const WORDS = {
  documentCharacters: 'characters',
  tokens: 'tokens',
  definitions: 'operations and fragments',
  depth: 'levels of fields',
  rootFields: 'fields at the root, fragments put in',
  aliases: 'aliases, fragments put in',
  directives: 'directives, fragments put in',
  fields: 'fields, fragments put in',
  repeats: 'times the same field at one position, fragments put in',
  variablesDepth: 'levels of variables',
};

function tooLarge(measure, requested, limit) {
  const has = requested === undefined ? 'more' : requested;
  const detail = `A query has at most ${limit} ${WORDS[measure]}; this has ${has}.`;
  return new Refusal(400, 'query-too-costly', detail, { more: { measure, requested, limit } });
}

/** Says what is wrong as the GraphQL errors do, with their locations in the document. */
function invalid(errors) {
  const refusal = new Refusal(400, 'invalid-query', errors[0].message);
  const http = { status: 400, spec: true };
  Object.defineProperty(refusal, 'result', {
    value: {
      errors: errors.map(
        ({ message, nodes, source, positions }) =>
          new GraphQLError(message, { nodes, source, positions, extensions: { code: 'invalid-query', http } }),
      ),
    },
  });
  return refusal;
}
