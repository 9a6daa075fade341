-- Two databases, two roles, and neither role can open the other's database.
--
-- Run by psql as a superuser, as often as one likes: by the launcher at each start, and by the
-- postgres image when its data directory is new. The environment gives the passwords.
\set ON_ERROR_STOP on
\getenv auth_password AUTH_DATABASE_PASSWORD
\getenv billing_password BILLING_DATABASE_PASSWORD
\getenv environment ENVIRONMENT

SELECT 'CREATE ROLE auth LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'auth')
\gexec
SELECT 'CREATE ROLE billing LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'billing')
\gexec
ALTER ROLE auth PASSWORD :'auth_password';
ALTER ROLE billing PASSWORD :'billing_password';

-- `manage.py test` begins in `postgres` and makes a database of its own, which is wanted on a
-- developer's machine alone.
SELECT format('ALTER ROLE billing %s', CASE :'environment' WHEN 'local' THEN 'CREATEDB' ELSE 'NOCREATEDB' END)
\gexec

SELECT 'CREATE DATABASE auth OWNER auth'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'auth')
\gexec
SELECT 'CREATE DATABASE billing OWNER billing'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'billing')
\gexec
-- An owner may connect to what it owns without a grant.
REVOKE CONNECT, TEMPORARY ON DATABASE auth, billing, postgres, template1 FROM PUBLIC;
SELECT CASE :'environment' WHEN 'local' THEN 'GRANT CONNECT ON DATABASE postgres TO billing'
                           ELSE 'REVOKE CONNECT ON DATABASE postgres FROM billing' END
\gexec
