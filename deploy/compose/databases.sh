#!/bin/bash
# Prepares PostgreSQL for Kith, once, when its folder is empty: docs/operations.md, "On your own PostgreSQL and Kafka".
set -euo pipefail
psql --username=postgres --set=ON_ERROR_STOP=1 \
  --set=password="$(</run/secrets/database_password)" --set=owner_password="$(</run/secrets/database_owner_password)" <<'SQL'
CREATE ROLE kith_app NOLOGIN NOBYPASSRLS;
CREATE ROLE kith_worker NOLOGIN NOBYPASSRLS;
CREATE ROLE kith_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE kith LOGIN NOINHERIT PASSWORD :'password';
GRANT kith_app, kith_worker TO kith_owner;
GRANT kith_app, kith_worker TO kith WITH INHERIT FALSE, SET TRUE;
CREATE DATABASE kith_contacts OWNER kith_owner;
CREATE DATABASE kith_sales OWNER kith_owner;
CREATE DATABASE kith_service_desk OWNER kith_owner;
CREATE DATABASE kith_analytics OWNER kith_owner;
SQL
