// How large a query is, and what it may cost: counted after its fragments are put in, and without putting them in. Each
// fragment is looked at once, so a chain of fragments that doubles at each link costs no more to count than to read.
//
// The same rules are in kith.graphql.limits; tests/federation/costs.json holds both to the same figures.
//
// - An object costs 1, a scalar nothing. One of the introspection costs a tenth, as it comes from memory; of types
// there are 100. - A list of objects costs what `first` says, or the argument's default; else as many as there are
// `ids` or `representations` in the arguments; else 10. So do the lists `nodes` and `edges` of a field with `first`. - What is
// selected on an object is counted for each. @skip and @include are not looked at: it is the most it may cost.
import { getNamedType, isCompositeType, isListType, isNonNullType, Kind, SchemaMetaFieldDef, TypeMetaFieldDef } from 'graphql';

const USUAL_LENGTH = 10;
const TYPES = 100;
// Costs are counted in tenths, so that they are whole numbers.
const TENTHS = 10;
const PAGE = 'first';
const ITEMS = ['nodes', 'edges'];
const KEYS = ['ids', 'representations'];
const MOST_NESTED = 200;
const MOST = 1e13;

export class TooDeep extends Error {}
export class Circular extends Error {}

const EMPTY = { fields: 0, aliases: 0, directives: 0, depth: 0, rootFields: 0 };

/**
 * How large an operation is, whatever the schema and the variables. A spread counts as a field: it is a step of the
 * visitor as well. Throws TooDeep, or Circular for a fragment that contains itself.
 */
export function sizeOf(document, operation) {
  const fragments = fragmentsOf(document);
  const known = new Map();

  function ofSet(set, nested) {
    if (nested > MOST_NESTED) throw new TooDeep();
    const size = { ...EMPTY };
    for (const selection of set?.selections ?? []) {
      size.fields += 1;
      size.directives += selection.directives?.length ?? 0;
      if (selection.kind === Kind.FIELD) {
        const below = ofSet(selection.selectionSet, nested + 1);
        add(size, below, 1 + below.depth);
        size.aliases += selection.alias ? 1 : 0;
        size.rootFields += 1;
      } else {
        const spread = selection.kind === Kind.FRAGMENT_SPREAD;
        const inside = spread ? ofFragment(selection.name.value, nested + 1) : ofSet(selection.selectionSet, nested + 1);
        add(size, inside, inside.depth);
        size.rootFields = Math.min(MOST, size.rootFields + inside.rootFields);
      }
    }
    return size;
  }

  function ofFragment(name, nested) {
    if (known.has(name)) {
      const found = known.get(name);
      if (found === undefined) throw new Circular();
      return found;
    }
    known.set(name, undefined);
    const fragment = fragments.get(name);
    const size = ofSet(fragment?.selectionSet, nested);
    size.directives += fragment?.directives?.length ?? 0;
    known.set(name, size);
    return size;
  }

  const size = ofSet(operation.selectionSet, 0);
  size.directives += operation.directives?.length ?? 0;
  return size;
}

function add(size, more, depth) {
  for (const measure of ['fields', 'aliases', 'directives']) size[measure] = Math.min(MOST, size[measure] + more[measure]);
  size.depth = Math.max(size.depth, depth);
}

/**
 * Returns how often the most repeated field is selected at one position: to see whether fields of one name agree, validation
 * compares each with each. Only for what sizeOf has found to be small: here fragments are put in.
 */
export function repeatsOf(document, operation) {
  const fragments = fragmentsOf(document);
  let most = 0;
  const visit = (sets) => {
    const byName = new Map();
    const collect = (set) => {
      for (const selection of set?.selections ?? []) {
        if (selection.kind === Kind.FRAGMENT_SPREAD) collect(fragments.get(selection.name.value)?.selectionSet);
        else if (selection.kind === Kind.INLINE_FRAGMENT) collect(selection.selectionSet);
        else {
          const name = (selection.alias ?? selection.name).value;
          if (!byName.has(name)) byName.set(name, []);
          byName.get(name).push(selection.selectionSet);
        }
      }
    };
    sets.forEach(collect);
    for (const same of byName.values()) {
      most = Math.max(most, same.length);
      visit(same.filter((set) => set !== undefined));
    }
  };
  visit([operation.selectionSet]);
  return most;
}

/** The most that the operation may cost with these variables. */
export function costOf(schema, document, operation, variables) {
  const fragments = fragmentsOf(document);
  const defaults = new Map(
    (operation.variableDefinitions ?? []).map(({ variable, defaultValue }) => [variable.name.value, defaultValue]),
  );
  const known = new Map();

  /** The cost of what is selected on one object: of each of its `nodes` or `edges`, and of all else. */
  function ofSet(set, type) {
    let each = 0;
    let rest = 0;
    for (const selection of set?.selections ?? []) {
      if (selection.kind === Kind.FIELD) {
        const cost = ofField(selection, type);
        if (ITEMS.includes(selection.name.value)) each += cost;
        else rest += cost;
      } else {
        const inside =
          selection.kind === Kind.FRAGMENT_SPREAD
            ? ofFragment(selection.name.value)
            : ofSet(selection.selectionSet, typeOf(selection.typeCondition) ?? type);
        each += inside.each;
        rest += inside.rest;
      }
    }
    return { each: Math.min(MOST, each), rest: Math.min(MOST, rest) };
  }

  function ofFragment(name) {
    if (!known.has(name)) {
      known.set(name, { each: 0, rest: 0 });
      const fragment = fragments.get(name);
      known.set(name, ofSet(fragment?.selectionSet, typeOf(fragment?.typeCondition)));
    }
    return known.get(name);
  }

  /** Of one object that has the field; of `nodes` and `edges`, for each of their items. */
  function ofField(node, parent) {
    const field = fieldOf(schema, parent, node.name.value);
    const type = field && getNamedType(field.type);
    if (!isCompositeType(type)) return 0;
    const { each, rest } = ofSet(node.selectionSet, type);
    const own = type.name.startsWith('__') ? 1 : TENTHS;
    const page = pageOf(node, field);
    const paged = page ?? USUAL_LENGTH;
    if (!isList(field.type)) return Math.min(MOST, own + rest + paged * each);
    const items = own + rest + USUAL_LENGTH * each;
    if (ITEMS.includes(node.name.value) && page === undefined) return Math.min(MOST, items);
    return Math.min(MOST, (page ?? keysOf(node) ?? lengthOf(parent, field)) * items);
  }

  function pageOf(node, field) {
    const argument = field.args.find(({ name }) => name === PAGE);
    if (argument === undefined) return undefined;
    const given = valueOf(argumentOf(node, PAGE));
    const page = Number.isInteger(given) ? given : argument.defaultValue;
    return Number.isInteger(page) ? Math.max(0, page) : USUAL_LENGTH;
  }

  function keysOf(node) {
    const lengths = KEYS.map((name) => valueOf(argumentOf(node, name))).filter(Array.isArray);
    return lengths.length > 0 ? Math.max(...lengths.map((keys) => keys.length)) : undefined;
  }

  /** A number, or a list of whatever it is; undefined for all else. */
  function valueOf(given) {
    if (given?.kind === Kind.INT) return Number(given.value);
    if (given?.kind === Kind.LIST) return given.values;
    if (given?.kind !== Kind.VARIABLE) return undefined;
    const name = given.name.value;
    return Object.hasOwn(variables ?? {}, name) ? variables[name] : valueOf(defaults.get(name));
  }

  const typeOf = (condition) => condition && schema.getType(condition.name.value);
  const { each, rest } = ofSet(operation.selectionSet, schema.getRootType(operation.operation));
  return Math.ceil((rest + each) / TENTHS);
}

const fragmentsOf = (document) =>
  new Map(document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION).map((each) => [each.name.value, each]));

const argumentOf = (node, name) => node.arguments?.find((each) => each.name.value === name)?.value;

const lengthOf = (parent, field) => (parent.name === '__Schema' && field.name === 'types' ? TYPES : USUAL_LENGTH);

const isList = (type) => isListType(isNonNullType(type) ? type.ofType : type);

function fieldOf(schema, parent, name) {
  if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef;
  if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef;
  return parent?.getFields?.()[name];
}
